//! Flags, environment and `.env`, and what happens to bad values.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::client::Api;
use crate::database::migrate;
use crate::process::{self, Process};
use crate::stack::free_address;

/// The settings with which a binary starts on any free port.
fn good(binary: &str, folder: &Path) -> Vec<(String, String)> {
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

async fn ready_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db?mode=rwc", folder.path().display());
    migrate(&url, folder.path(), "up").await;
    folder
}

/// Fails unless the start ends with one line that names the setting.
async fn ends_naming(binary: &str, folder: &Path, settings: &[(String, String)], name: &str) {
    let command = process::command(binary, folder, settings);
    let mut process = Process::start(binary, command);
    let status = process.ended().await;
    process.kill();
    let logs = process.logs();
    assert!(!status.success(), "{binary}, {name}: {status}");
    assert_eq!(logs.len(), 1, "{binary}, {name}: {logs:#?}");
    assert!(logs[0].contains(name), "{binary}: {logs:?}");
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
        (&users, "OFFERS_CA", &["missing.pem", "no.pem"]),
        (&alone[..1], "OFFERS_URL", &["nothing", "ftp://localhost"]),
        (&users, "JWT_KEY_DIR", &["/dev/null/keys"]),
        (&offers, "JWKS_URL", &["nothing", "ftp://localhost"]),
        (&alone, "HTTP_ADDR", &["nothing", "127.0.0.1", "127.0.0.1:99999"]),
        (&alone, "HTTPS_ADDR", &["nothing"]),
        (&one, "USERS_HTTP_ADDR", &["nothing"]),
        (&one, "OFFERS_HTTPS_ADDR", &["nothing"]),
    ];
    for (binaries, name, values) in cases {
        for binary in *binaries {
            for value in *values {
                let mut settings = good(binary, folder.path());
                settings.push(((*name).to_owned(), (*value).to_owned()));
                ends_naming(binary, folder.path(), &settings, name).await;
            }
        }
    }
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

#[tokio::test]
async fn help_lists_every_setting_with_its_default() {
    let folder = tempfile::tempdir().unwrap();
    let both = [
        "DATABASE_URL",
        "TLS_CERT",
        "TLS_KEY",
        "SECURITY",
        "CORS_ORIGINS",
        "LOG",
        "LOG_FORMAT",
        "info",
        "text",
    ];
    let users = [
        "OFFERS_URL",
        "OFFERS_CA",
        "JWT_KEY_DIR",
        "data/keys",
        "ACCESS_TTL",
        "10m",
        "REFRESH_TTL",
        "30d",
    ];
    let users_alone =
        ["HTTP_ADDR", "HTTPS_ADDR", "127.0.0.1:8001", "http://127.0.0.1:8002", "strict"];
    let offers = [
        "HTTP_ADDR",
        "HTTPS_ADDR",
        "127.0.0.1:8002",
        "JWKS_URL",
        "strict",
        "http://127.0.0.1:8001/.well-known/jwks.json",
    ];
    let one = [
        "USERS_HTTP_ADDR",
        "USERS_HTTPS_ADDR",
        "OFFERS_HTTP_ADDR",
        "OFFERS_HTTPS_ADDR",
        "spec",
        "127.0.0.1:8001",
        "127.0.0.1:8441",
        "127.0.0.1:8002",
        "127.0.0.1:8442",
        "sqlite://data/classifieds.db?mode=rwc",
        "JWT_KEY_DIR",
        "data/keys",
        "ACCESS_TTL",
        "10m",
        "REFRESH_TTL",
        "30d",
    ];
    for (binary, words) in [
        ("users-api", [&both[..], &users, &users_alone].concat()),
        ("offers-api", [&both[..], &offers].concat()),
        ("classifieds", [&both[..], &one].concat()),
    ] {
        let mut command = process::command(binary, folder.path(), &[]);
        command.arg("--help");
        let help = process::succeed(command).await.stdout;
        for word in words {
            assert!(help.contains(word), "{binary}: {word} is missing in\n{help}");
            // Every variable is a flag of the same name.
            if word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
                let flag = format!("--{}", word.to_lowercase().replace('_', "-"));
                assert!(help.contains(&flag), "{binary}: {flag} is missing in\n{help}");
            }
        }
    }
}

/// Whether a page of `origin` may call, which tells which value of the setting holds.
async fn lets_in(url: &str, origin: &str) -> bool {
    let request = Api::new(url).request(reqwest::Method::GET, "/health/live");
    let answer = crate::client::Answer::to(request.header("origin", origin)).await.expect(200);
    answer.header("access-control-allow-origin") == Some(origin)
}

#[tokio::test]
async fn a_flag_beats_the_environment_which_beats_the_file() {
    let folder = ready_folder().await;
    for (binary, service) in
        [("users-api", "users-api"), ("offers-api", "offers-api"), ("classifieds", "offers-api")]
    {
        let file = "# Settings of this folder\nCORS_ORIGINS=https://file.example\n";
        fs::write(folder.path().join(".env"), file).unwrap();
        let variable = ("CORS_ORIGINS".to_owned(), "https://variable.example".to_owned());
        for (with_variable, with_flag, winner) in [
            (false, false, "https://file.example"),
            (true, false, "https://variable.example"),
            (true, true, "https://flag.example"),
            (false, true, "https://flag.example"),
        ] {
            let mut settings = good(binary, folder.path());
            settings.extend(with_variable.then(|| variable.clone()));
            let mut command = process::command(binary, folder.path(), &settings);
            if with_flag {
                command.args(["--cors-origins", "https://flag.example"]);
            }
            let mut process = Process::start(binary, command);
            let url = process.address(service, "http").await.expect("it runs");
            for origin in
                ["https://file.example", "https://variable.example", "https://flag.example"]
            {
                assert_eq!(lets_in(&url, origin).await, origin == winner, "{binary}: {origin}");
            }
        }
    }
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
