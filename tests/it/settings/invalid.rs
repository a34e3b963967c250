//! Invalid settings abort startup.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::process::{self, Process};
use crate::support::settings::{Settings, migrated_folder, setting, settings, valid_settings};

/// Starts a binary. Returns `None` if it fails with one log line that names the setting, else what
/// happened.
async fn unexpected_start(
    binary: &str,
    folder: &Path,
    settings: &Settings,
    name: &str,
) -> Option<String> {
    let mut process = Process::start(binary, folder, settings);
    let status = tokio::time::timeout(Duration::from_secs(10), process.wait()).await;
    process.kill();
    let mut logs = process.logs();
    if binary == "classifieds" {
        // It migrates and generates a certificate before it reads some of its settings.
        logs.retain(|line| !line.contains(" INFO ") && !line.contains(" WARN "));
    }
    // The line names the variable or the flag.
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

async fn assert_startup_fails(binary: &str, folder: &Path, settings: &Settings, name: &str) {
    let error = unexpected_start(binary, folder, settings, name).await;
    assert_eq!(error, None);
}

#[tokio::test]
async fn invalid_value_aborts_startup_with_one_line() {
    let folder = migrated_folder().await;
    let all = ["users-api", "offers-api", "classifieds"];
    let users = ["users-api", "classifieds"];
    let offers = ["offers-api"];
    let services = ["users-api", "offers-api"];
    let classifieds = ["classifieds"];
    fs::write(folder.path().join("no.pem"), "nothing").unwrap();
    let cases: &[(&[&str], &str, &[&str])] = &[
        (
            &all,
            "DATABASE_URL",
            &[
                "",
                " ",
                "nothing",
                "mysql://localhost/x",
                "SQLITE://x.db",
                "sqlite:///no/where.db",
                "sqlite::memory:",
                "sqlite://",
                "sqlite://x.db?mode=memory",
                "sqlite://x.db?mode=x",
                "postgres://localhost:port/x",
            ],
        ),
        (&all, "DATABASE_CONNECTIONS", &["0", "-1", "many", " "]),
        (&all, "WORKERS", &["0", "half", "99999999"]),
        (&all, "DRAIN", &["0s", "soon", "5"]),
        // Also because the database is one of SQLite.
        (
            &all,
            "DATABASE_READ_URL",
            &[" ", "nothing", "mysql://localhost/x", "postgres://localhost/x"],
        ),
        (&all, "SECURITY", &["loose", "SPEC "]),
        (&all, "LOG", &["=====", "users=loud"]),
        (&all, "LOG_FORMAT", &["xml"]),
        (
            &all,
            "CORS_ORIGINS",
            &[
                "not an origin",
                "https://a.example/path",
                "https://a.example/",
                "ftp://a.example",
                "null",
                "https://a.example,,https://b.example",
            ],
        ),
        (&all, "TRUSTED_PROXIES", &["localhost", "10.0.0.0/33", "10.0.0.1:80", "10.0.0.1,,"]),
        (&all, "INTROSPECTION", &["yes", "ON"]),
        (&all, "GRAPHIQL", &["true"]),
        (&users, "ACCESS_TTL", &["soon", "-1s", "0s", "10"]),
        (&users, "REFRESH_TTL", &["soon"]),
        (&users, "OFFERS_PATIENCE", &["0s", "2m", "soon"]),
        (&users[..1], "OFFERS_CA", &["missing.pem", "no.pem", "."]),
        (&services[..1], "OFFERS_URL", &["nothing", "ftp://localhost", "127.0.0.1:8002", " "]),
        (&users, "JWT_KEY_DIR", &["/dev/null/keys"]),
        (&offers, "JWKS_URL", &["nothing", "ftp://localhost"]),
        (&offers, "JWKS_CA", &["missing.pem", "no.pem", "."]),
        (&offers, "DATABASE_LISTEN_URL", &["nothing", " ", "sqlite://x.db"]),
        (&services, "HTTP_ADDR", &["nothing", "127.0.0.1", "127.0.0.1:99999", "OFF", " "]),
        (&services, "HTTPS_ADDR", &["nothing"]),
        (&classifieds, "USERS_HTTP_ADDR", &["nothing"]),
        (&classifieds, "USERS_HTTPS_ADDR", &["nothing"]),
        (&classifieds, "OFFERS_HTTP_ADDR", &["localhost:8002"]),
        (&classifieds, "OFFERS_HTTPS_ADDR", &["nothing"]),
    ];
    let mut errors = Vec::new();
    for (binaries, name, values) in cases {
        for binary in *binaries {
            for value in *values {
                let mut settings = valid_settings(binary, folder.path());
                settings.push(setting(name, value));
                let error = unexpected_start(binary, folder.path(), &settings, name).await;
                errors.extend(error.map(|text| format!("{value:?}: {text}")));
            }
        }
    }
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[tokio::test]
async fn standby_must_be_one_of_postgres() {
    let folder = migrated_folder().await;
    for binary in ["users-api", "offers-api"] {
        for standby in ["sqlite://other.db", "mysql://localhost/x", "postgres://localhost:port/x"] {
            let mut settings = valid_settings(binary, folder.path());
            settings.push(setting("DATABASE_URL", "postgres://localhost/x"));
            settings.push(setting("DATABASE_READ_URL", standby));
            assert_startup_fails(binary, folder.path(), &settings, "DATABASE_READ_URL").await;
        }
    }
}

#[tokio::test]
async fn invalid_key_aborts_startup() {
    let folder = migrated_folder().await;
    let keys = folder.path().join("keys");
    fs::create_dir(&keys).unwrap();
    fs::write(
        keys.join("one.pem"),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    let mut settings = valid_settings("users-api", folder.path());
    settings.push(setting("JWT_KEY_DIR", "keys"));
    assert_startup_fails("users-api", folder.path(), &settings, "JWT_KEY_DIR").await;
}

#[tokio::test]
async fn https_requires_certificate_files() {
    let folder = migrated_folder().await;
    for binary in ["users-api", "offers-api"] {
        let mut settings = valid_settings(binary, folder.path());
        settings.push(setting("HTTPS_ADDR", "127.0.0.1:0"));
        assert_startup_fails(binary, folder.path(), &settings, "TLS_CERT").await;
    }
}

#[tokio::test]
async fn https_requires_readable_certificate_files() {
    let folder = migrated_folder().await;
    fs::write(folder.path().join("no.pem"), "nothing").unwrap();
    for (name, value) in [
        ("TLS_CERT", "missing.pem"),
        ("TLS_CERT", "no.pem"),
        ("TLS_CERT", "."),
        ("TLS_KEY", "missing.pem"),
        ("TLS_KEY", "no.pem"),
    ] {
        let certs = process::command("certs", folder.path(), &[]);
        process::run_successfully(certs).await;
        for binary in ["users-api", "offers-api"] {
            let mut settings = valid_settings(binary, folder.path());
            settings.extend([setting("HTTPS_ADDR", "127.0.0.1:0"), setting(name, value)]);
            assert_startup_fails(binary, folder.path(), &settings, name).await;
        }
    }
}

/// The services could not call each other.
#[tokio::test]
async fn classifieds_requires_a_certificate_for_its_own_address() {
    let folder = migrated_folder().await;
    let mut own = valid_settings("classifieds", folder.path());
    own.extend(settings([("OFFERS_HTTP_ADDR", "off"), ("OFFERS_HTTPS_ADDR", "127.0.0.2:0")]));
    assert_startup_fails("classifieds", folder.path(), &own, "TLS_CERT").await;
}

#[tokio::test]
async fn service_requires_a_database_and_a_listener() {
    let folder = migrated_folder().await;
    for binary in ["users-api", "offers-api"] {
        let settings = valid_settings(binary, folder.path());
        assert_startup_fails(binary, folder.path(), &settings[1..], "DATABASE_URL").await;
        let mut settings = valid_settings(binary, folder.path());
        settings.push(setting("HTTP_ADDR", "off"));
        assert_startup_fails(binary, folder.path(), &settings, "HTTP_ADDR").await;
    }
}

/// No file is created before the check.
#[tokio::test]
async fn classifieds_requires_a_listener_of_each_service() {
    for name in ["USERS_HTTP_ADDR", "OFFERS_HTTP_ADDR"] {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = valid_settings("classifieds", folder.path());
        settings.push(setting(name, "off"));
        assert_startup_fails("classifieds", folder.path(), &settings, name).await;
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

/// gRPC is not supported.
#[tokio::test]
async fn traces_are_exported_over_http_only() {
    let folder = migrated_folder().await;
    let tracing = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ];
    for binary in ["users-api", "offers-api", "classifieds"] {
        let mut all = valid_settings(binary, folder.path());
        all.extend(settings(tracing));
        assert_startup_fails(binary, folder.path(), &all, "OTEL_EXPORTER_OTLP_PROTOCOL").await;
    }
}

#[tokio::test]
async fn address_in_use_aborts_startup() {
    let folder = migrated_folder().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for binary in ["users-api", "offers-api"] {
        let mut settings = valid_settings(binary, folder.path());
        settings.push(setting("HTTP_ADDR", &address));
        assert_startup_fails(binary, folder.path(), &settings, "HTTP_ADDR").await;
    }
}
