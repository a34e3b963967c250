//! Settings of the binaries.

mod help;
mod invalid;
mod precedence;

use crate::support::client::ApiClient;
use crate::support::process::{self, Process};
use crate::support::settings::{free_address, migrated_folder, setting, settings, valid_settings};
use crate::support::wait;

#[tokio::test]
async fn prints_the_address_of_the_flag() {
    let folder = migrated_folder().await;
    for binary in ["users-api", "offers-api"] {
        let address = free_address();
        let mut command =
            process::command(binary, folder.path(), &valid_settings(binary, folder.path()));
        command.args(["--http-addr", &address]);
        let mut process = Process::spawn(binary, command);
        let url = process.url_unless_ended(binary, "http").await;
        assert_eq!(url, Some(format!("http://{address}")));
    }
}

#[tokio::test]
async fn classifieds_prints_graphiql_links_if_enabled() {
    for (switch, is_printed) in [("on", true), ("off", false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = valid_settings("classifieds", folder.path());
        settings.push(setting("GRAPHIQL", switch));
        let mut process = Process::start("classifieds", folder.path(), &settings);
        let lines = wait::until("the links are printed", async || {
            let lines = process.stdout();
            lines.iter().any(|line| line.contains("Offers ")).then_some(lines)
        });
        let lines = lines.await.join("\n");
        assert!(lines.contains("/docs"), "{lines}");
        assert_eq!(lines.contains("GraphiQL"), is_printed, "{lines}");
        process.kill();
    }
}

#[tokio::test]
async fn classifieds_starts_without_settings() {
    let folder = tempfile::tempdir().unwrap();
    // Only the ports are set, since the default ones may be in use on this machine.
    let settings = settings(
        ["USERS_HTTP_ADDR", "USERS_HTTPS_ADDR", "OFFERS_HTTP_ADDR", "OFFERS_HTTPS_ADDR"]
            .map(|name| (name, "127.0.0.1:0")),
    );
    let mut process = Process::start("classifieds", folder.path(), &settings);
    let url = process.url("users-api", "http").await;
    ApiClient::new(&url).get("/health/ready").await.expect(200);
    for service in ["users-api", "offers-api"] {
        process.url(service, "https").await;
    }
    for file in ["data/classifieds.db", "data/keys", "certs/ca.pem", "certs/server.pem"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
}
