//! HTTPS, with the local authority that `certs` makes.

mod between_services;

use std::fs;
use std::path::Path;

use reqwest::tls::Version;
use tempfile::TempDir;

use crate::support::client::Api;
use crate::support::database::migrate;
use crate::support::fixtures::registration;
use crate::support::process::{self, Process};
use crate::support::wait as poll;

/// A folder with a database and certificates in `certs/`.
async fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    migrate(&database(folder.path()), folder.path(), "up").await;
    make_certificates(folder.path(), "certs").await;
    folder
}

fn database(folder: &Path) -> String {
    format!("sqlite://{}/test.db?mode=rwc", folder.display())
}

async fn make_certificates(folder: &Path, into: &str) {
    let mut command = process::command("certs", folder, &[]);
    command.arg(into);
    process::succeed(command).await;
    for file in ["ca.pem", "server.pem", "server.key"] {
        assert!(folder.join(into).join(file).exists(), "{file}");
    }
}

/// A client that trusts this authority alone, as `curl --cacert` does.
fn trusting(folder: &Path, ca: &str) -> reqwest::ClientBuilder {
    let pem = fs::read(folder.join(ca)).unwrap();
    let certificate = reqwest::Certificate::from_pem(&pem).unwrap();
    // A connection for each request, so that each meets the certificate of the moment.
    reqwest::Client::builder().tls_certs_only([certificate]).no_proxy().pool_max_idle_per_host(0)
}

fn start(binary: &str, folder: &Path, settings: &[(&str, &str)]) -> Process {
    let mut all = vec![("DATABASE_URL".to_owned(), database(folder))];
    all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Process::start(binary, process::command(binary, folder, &all))
}

const HTTPS_ALONE: [(&str, &str); 2] = [("HTTP_ADDR", "off"), ("HTTPS_ADDR", "127.0.0.1:0")];

#[tokio::test]
async fn both_services_answer_over_https() {
    let folder = folder().await;
    for binary in ["users-api", "offers-api"] {
        let mut process = start(binary, folder.path(), &HTTPS_ALONE);
        let url = process.address(binary, "https").await.expect("it runs");
        let port = url.rsplit(':').next().unwrap();
        for host in ["127.0.0.1", "localhost"] {
            let client = trusting(folder.path(), "certs/ca.pem").build().unwrap();
            let api = Api::with_client(&format!("https://{host}:{port}"), client);
            api.get("/health/ready").await.expect(200);
        }
        // Nobody else vouches for it, and it speaks nothing else on this port.
        let stranger = reqwest::Client::builder().no_proxy().build().unwrap();
        assert!(stranger.get(format!("{url}/health/live")).send().await.is_err());
        let plain = stranger.get(format!("http://127.0.0.1:{port}/health/live")).send().await;
        assert!(plain.map_or(true, |answer| answer.status() != 200));
    }
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let folder = folder().await;
    let mut process = start("users-api", folder.path(), &HTTPS_ALONE);
    let url = process.address("users-api", "https").await.expect("it runs");
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let client = trusting(folder.path(), "certs/ca.pem");
        let client = client.tls_version_min(version).tls_version_max(version).build().unwrap();
        Api::with_client(&url, client).get("/health/live").await.expect(200);
    }
}

#[tokio::test]
async fn both_listeners_serve_the_same() {
    let folder = folder().await;
    let both = [("HTTP_ADDR", "127.0.0.1:0"), ("HTTPS_ADDR", "127.0.0.1:0")];
    let mut process = start("users-api", folder.path(), &both);
    let http = process.address("users-api", "http").await.expect("it runs");
    let https = process.address("users-api", "https").await.expect("it runs");
    let client = trusting(folder.path(), "certs/ca.pem").build().unwrap();
    let https = Api::with_client(&https, client);
    https.post("/user/registry/", registration("ann")).await.expect(201);
    Api::new(&http).post("/user/registry/", registration("ann")).await.problem(409);
}

#[tokio::test]
async fn classifieds_makes_its_own_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("USERS_HTTP_ADDR", "off"),
        ("USERS_HTTPS_ADDR", "127.0.0.1:0"),
        ("OFFERS_HTTP_ADDR", "127.0.0.1:0"),
        ("OFFERS_HTTPS_ADDR", "127.0.0.1:0"),
    ];
    let mut authority = None;
    for _ in 0..2 {
        let mut process = start("classifieds", folder.path(), &settings);
        for service in ["users-api", "offers-api"] {
            let url = process.address(service, "https").await.expect("it runs");
            let client = trusting(folder.path(), "certs/ca.pem").build().unwrap();
            Api::with_client(&url, client).get("/health/ready").await.expect(200);
        }
        // The second start finds what the first has made.
        let found = fs::read(folder.path().join("certs/ca.pem")).unwrap();
        assert_eq!(authority.get_or_insert_with(|| found.clone()), &found);
    }
    let key = fs::metadata(folder.path().join("certs/server.key")).unwrap();
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o077, 0);
}

#[tokio::test]
async fn renewed_files_are_picked_up() {
    let folder = folder().await;
    make_certificates(folder.path(), "renewed").await;
    for binary in ["users-api", "offers-api"] {
        make_certificates(folder.path(), "first").await;
        for file in ["server.pem", "server.key"] {
            let to = folder.path().join("certs").join(file);
            fs::copy(folder.path().join("first").join(file), to).unwrap();
        }
        let mut process = start(binary, folder.path(), &HTTPS_ALONE);
        let url = process.address(binary, "https").await.expect("it runs");
        let url = format!("{url}/health/live");
        let [old, new] = ["first/ca.pem", "renewed/ca.pem"]
            .map(|ca| trusting(folder.path(), ca).build().unwrap());
        old.get(&url).send().await.unwrap();
        assert!(new.get(&url).send().await.is_err());

        // A half-written file, as a renewal may leave for a moment, changes nothing.
        fs::write(folder.path().join("certs/server.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
        old.get(&url).send().await.unwrap();

        for file in ["server.pem", "server.key"] {
            let to = folder.path().join("certs").join(file);
            fs::copy(folder.path().join("renewed").join(file), to).unwrap();
        }
        poll::until("the renewed certificate is served", async || new.get(&url).send().await.ok())
            .await;
        assert!(old.get(&url).send().await.is_err());
    }
}
