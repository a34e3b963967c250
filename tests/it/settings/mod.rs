//! Settings of the binaries.

use std::fs;
use std::os::unix::fs::PermissionsExt;

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

/// Compose files pass on variables that are not set as empty ones.
#[tokio::test]
async fn empty_variable_counts_as_unset() {
    let both = [
        "CORS_ORIGINS",
        "DATABASE_CONNECTIONS",
        "DRAIN",
        "GRAPHIQL",
        "INTROSPECTION",
        "LOG",
        "LOG_FORMAT",
        "SECURITY",
        "TLS_CERT",
        "TLS_KEY",
        "TRUSTED_PROXIES",
        "WORKERS",
    ];
    let users =
        ["ACCESS_TTL", "JWT_KEY_DIR", "OFFERS_CA", "OFFERS_PATIENCE", "OFFERS_URL", "REFRESH_TTL"];
    let offers = ["DATABASE_LISTEN_URL", "JWKS_CA", "JWKS_URL"];
    let folder = migrated_folder().await;
    for binary in ["users-api", "offers-api", "classifieds"] {
        let mut settings = valid_settings(binary, folder.path());
        let names = both.iter().chain(&users).chain(&offers);
        settings.extend(names.map(|name| setting(name, "")));
        let mut process = Process::start(binary, folder.path(), &settings);
        let service = if binary == "classifieds" { "offers-api" } else { binary };
        let url = process.url(service, "http").await;
        ApiClient::new(&url).get("/health/ready").await.expect(200);
    }
}

#[tokio::test]
async fn sqlite_file_is_at_the_decoded_path_and_private() {
    for path in ["my%20data/x.db", "my data/x.db"] {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = valid_settings("classifieds", folder.path());
        settings.push(setting("DATABASE_URL", &format!("sqlite://{path}?mode=rwc")));
        let mut process = Process::start("classifieds", folder.path(), &settings);
        let url = process.url("users-api", "http").await;
        ApiClient::new(&url).get("/health/ready").await.expect(200);
        for (file, mode) in
            [("my data", 0o700), ("my data/x.db", 0o600), ("my data/x.db-wal", 0o600)]
        {
            let metadata = fs::metadata(folder.path().join(file)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, mode, "{file}");
        }
    }
}

#[tokio::test]
async fn migration_names_its_invalid_settings() {
    for (env_file, variable, name) in [
        ("A B=1\nDATABASE_URL=sqlite://q.db?mode=rwc\n", None, ".env"),
        ("", Some(""), "DATABASE_URL"),
        ("", Some("nothing"), "DATABASE_URL"),
        ("", None, "DATABASE_URL"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".env"), env_file).unwrap();
        let variable: Vec<_> =
            variable.map(|value| setting("DATABASE_URL", value)).into_iter().collect();
        let mut command = process::command("migration", folder.path(), &variable);
        command.arg("up");
        let output = process::run(command).await;
        assert!(!output.status.success());
        let flag = name.to_lowercase().replace('_', "-");
        let line = output.stderr.lines().next().unwrap_or_default();
        assert!(line.contains(name) || line.contains(&flag), "{}", output.stderr);
    }
}
