//! Where settings come from, and how little is needed.

mod help;
mod invalid;
mod precedence;

use std::path::Path;

use tempfile::TempDir;

use crate::support::client::Api;
use crate::support::database::migrate;
use crate::support::process::{self, Process};
use crate::support::processes::free_address;
use crate::support::wait as poll;

/// The settings with which a binary starts on any free port.
pub(crate) fn good(binary: &str, folder: &Path) -> Vec<(String, String)> {
    let database = format!("sqlite://{}/test.db?mode=rwc", folder.display());
    let listeners: &[&str] = match binary {
        "classifieds" => &["USERS_HTTP_ADDR", "OFFERS_HTTP_ADDR"],
        _ => &["HTTP_ADDR"],
    };
    let mut settings = vec![("DATABASE_URL".to_owned(), database)];
    settings.extend(listeners.iter().map(|name| ((*name).to_owned(), "127.0.0.1:0".to_owned())));
    if binary == "classifieds" {
        for name in ["USERS_HTTPS_ADDR", "OFFERS_HTTPS_ADDR"] {
            settings.push((name.to_owned(), "off".to_owned()));
        }
    }
    settings
}

/// A folder with a database that is ready for the services.
pub(crate) async fn ready_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db?mode=rwc", folder.path().display());
    migrate(&url, folder.path(), "up").await;
    folder
}

#[tokio::test]
async fn an_address_in_a_flag_is_the_one_that_is_printed() {
    let folder = ready_folder().await;
    for binary in ["users-api", "offers-api"] {
        let address = free_address();
        let mut command = process::command(binary, folder.path(), &good(binary, folder.path()));
        command.args(["--http-addr", &address]);
        let mut process = Process::start(binary, command);
        let url = process.address(binary, "http").await;
        assert_eq!(url, Some(format!("http://{address}")));
    }
}

#[tokio::test]
async fn classifieds_tells_of_graphiql_where_there_is_one() {
    for (switch, told) in [("on", true), ("off", false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = good("classifieds", folder.path());
        settings.push(("GRAPHIQL".to_owned(), switch.to_owned()));
        let mut process = Process::start(
            "classifieds",
            process::command("classifieds", folder.path(), &settings),
        );
        let lines = poll::until("the links are printed", async || {
            let lines = process.printed();
            lines.iter().any(|line| line.contains("Offers ")).then_some(lines)
        });
        let lines = lines.await.join("\n");
        assert!(lines.contains("/docs"), "{lines}");
        assert_eq!(lines.contains("GraphiQL"), told, "{lines}");
        process.kill();
    }
}

#[tokio::test]
async fn classifieds_needs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // All but the ports, which others may use on this machine.
    let settings: Vec<_> =
        ["USERS_HTTP_ADDR", "USERS_HTTPS_ADDR", "OFFERS_HTTP_ADDR", "OFFERS_HTTPS_ADDR"]
            .map(|name| (name.to_owned(), "127.0.0.1:0".to_owned()))
            .into();
    let mut process =
        Process::start("classifieds", process::command("classifieds", folder.path(), &settings));
    let url = process.address("users-api", "http").await.expect("it runs");
    Api::new(&url).get("/health/ready").await.expect(200);
    for service in ["users-api", "offers-api"] {
        process.address(service, "https").await.expect("it runs");
    }
    for file in ["data/classifieds.db", "data/keys", "certs/ca.pem", "certs/server.pem"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
}
