//! Bad values end the start.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{good, ready_folder};
use crate::support::process::{self, Process};

/// Why a start does not end with one line that names the setting, if it does not.
async fn complaint(
    binary: &str,
    folder: &Path,
    settings: &[(String, String)],
    name: &str,
) -> Option<String> {
    let command = process::command(binary, folder, settings);
    let mut process = Process::start(binary, command);
    let status = tokio::time::timeout(Duration::from_secs(10), process.ended()).await;
    process.kill();
    let mut logs = process.logs();
    if binary == "classifieds" {
        // It has migrated and made a certificate before it comes to some of its settings.
        logs.retain(|line| !line.contains(" INFO ") && !line.contains(" WARN "));
    }
    // By the name of the variable or by that of the flag.
    let flag = format!("--{}", name.to_lowercase().replace('_', "-"));
    match (status, logs.as_slice()) {
        (Ok(status), [line])
            if !status.success() && (line.contains(name) || line.contains(&flag)) =>
        {
            None
        }
        (status, logs) => Some(format!("{binary}, {name}: {status:?}: {logs:#?}")),
    }
}

async fn ends_naming(binary: &str, folder: &Path, settings: &[(String, String)], name: &str) {
    let complaint = complaint(binary, folder, settings, name).await;
    assert_eq!(complaint, None);
}

#[tokio::test]
async fn a_bad_value_stops_the_start_with_one_line() {
    let folder = ready_folder().await;
    let both = ["users-api", "offers-api", "classifieds"];
    let users = ["users-api", "classifieds"];
    let offers = ["offers-api"];
    let alone = ["users-api", "offers-api"];
    let one = ["classifieds"];
    fs::write(folder.path().join("no.pem"), "nothing").unwrap();
    let cases: &[(&[&str], &str, &[&str])] = &[
        (&both, "DATABASE_URL", &["", "nothing", "mysql://localhost/x", "sqlite:///no/where.db"]),
        (&both, "SECURITY", &["loose", "SPEC "]),
        (&both, "LOG", &["=====", "users=loud"]),
        (&both, "LOG_FORMAT", &["xml"]),
        (&both, "CORS_ORIGINS", &["not an origin", "https://a.example/path"]),
        (&users, "ACCESS_TTL", &["soon", "-1s", "0s", "10"]),
        (&users, "REFRESH_TTL", &["soon"]),
        (&users[..1], "OFFERS_CA", &["missing.pem", "no.pem"]),
        (&alone[..1], "OFFERS_URL", &["nothing", "ftp://localhost"]),
        (&users, "JWT_KEY_DIR", &["/dev/null/keys"]),
        (&offers, "JWKS_URL", &["nothing", "ftp://localhost"]),
        (&alone, "HTTP_ADDR", &["nothing", "127.0.0.1", "127.0.0.1:99999"]),
        (&alone, "HTTPS_ADDR", &["nothing"]),
        (&one, "USERS_HTTP_ADDR", &["nothing"]),
        (&one, "OFFERS_HTTPS_ADDR", &["nothing"]),
    ];
    let mut complaints = Vec::new();
    for (binaries, name, values) in cases {
        for binary in *binaries {
            for value in *values {
                let mut settings = good(binary, folder.path());
                settings.push(((*name).to_owned(), (*value).to_owned()));
                let complaint = complaint(binary, folder.path(), &settings, name).await;
                complaints.extend(complaint.map(|text| format!("{value:?}: {text}")));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test]
async fn a_key_that_is_none_stops_the_start() {
    let folder = ready_folder().await;
    let keys = folder.path().join("keys");
    fs::create_dir(&keys).unwrap();
    fs::write(
        keys.join("one.pem"),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    let mut settings = good("users-api", folder.path());
    settings.push(("JWT_KEY_DIR".to_owned(), "keys".to_owned()));
    ends_naming("users-api", folder.path(), &settings, "JWT_KEY_DIR").await;
}

#[tokio::test]
async fn https_needs_its_files() {
    let folder = ready_folder().await;
    for binary in ["users-api", "offers-api"] {
        let mut settings = good(binary, folder.path());
        settings.push(("HTTPS_ADDR".to_owned(), "127.0.0.1:0".to_owned()));
        ends_naming(binary, folder.path(), &settings, "TLS_CERT").await;
    }
}

#[tokio::test]
async fn a_service_needs_a_database_and_a_listener() {
    let folder = ready_folder().await;
    for binary in ["users-api", "offers-api"] {
        let settings = good(binary, folder.path());
        ends_naming(binary, folder.path(), &settings[1..], "DATABASE_URL").await;
        let mut settings = good(binary, folder.path());
        settings.push(("HTTP_ADDR".to_owned(), "off".to_owned()));
        ends_naming(binary, folder.path(), &settings, "HTTP_ADDR").await;
    }
}

/// Nothing is made before it.
#[tokio::test]
async fn classifieds_needs_a_listener_of_each_service() {
    for name in ["USERS_HTTP_ADDR", "OFFERS_HTTP_ADDR"] {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = good("classifieds", folder.path());
        settings.push((name.to_owned(), "off".to_owned()));
        ends_naming("classifieds", folder.path(), &settings, name).await;
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

/// There is no gRPC here.
#[tokio::test]
async fn traces_go_by_http_alone() {
    let folder = ready_folder().await;
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ];
    for binary in ["users-api", "offers-api", "classifieds"] {
        let mut all = good(binary, folder.path());
        all.extend(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
        ends_naming(binary, folder.path(), &all, "OTEL_EXPORTER_OTLP_PROTOCOL").await;
    }
}

#[tokio::test]
async fn a_taken_address_stops_the_start() {
    let folder = ready_folder().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for binary in ["users-api", "offers-api"] {
        let mut settings = good(binary, folder.path());
        settings.push(("HTTP_ADDR".to_owned(), address.clone()));
        ends_naming(binary, folder.path(), &settings, "HTTP_ADDR").await;
    }
}
