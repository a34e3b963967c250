//! HTTPS with certificates from the local authority of `certs`.

mod between_services;

use std::fs;
use std::path::Path;

use reqwest::tls::Version;
use tempfile::TempDir;

use crate::support::client::ApiClient;
use crate::support::database::sqlite_url;
use crate::support::fixtures::registration;
use crate::support::process::{self, Process};
use crate::support::settings::{migrated_folder, setting};
use crate::support::wait;

/// Creates a folder with a migrated database, and certificates in `certs/`.
async fn folder_with_certificates() -> TempDir {
    let folder = migrated_folder().await;
    generate_certificates(folder.path(), "certs").await;
    folder
}

/// Runs `certs`.
async fn generate_certificates(folder: &Path, into: &str) {
    let mut command = process::command("certs", folder, &[]);
    command.arg(into);
    process::run_successfully(command).await;
    for file in ["ca.pem", "server.pem", "server.key"] {
        assert!(folder.join(into).join(file).exists(), "{file}");
    }
}

/// Returns a client that trusts only this authority, as `curl --cacert` does.
fn client_trusting(folder: &Path, ca: &str) -> reqwest::ClientBuilder {
    let pem = fs::read(folder.join(ca)).unwrap();
    let certificate = reqwest::Certificate::from_pem(&pem).unwrap();
    // A connection for each request, so that each sees the current certificate.
    reqwest::Client::builder().tls_certs_only([certificate]).no_proxy().pool_max_idle_per_host(0)
}

/// Starts a binary with the `SQLite` database of the folder.
fn start(binary: &str, folder: &Path, settings: &[(&str, &str)]) -> Process {
    let mut all = vec![setting("DATABASE_URL", &sqlite_url(folder))];
    all.extend(settings.iter().map(|(name, value)| setting(name, value)));
    Process::start(binary, folder, &all)
}

const HTTPS_ONLY: [(&str, &str); 2] = [("HTTP_ADDR", "off"), ("HTTPS_ADDR", "127.0.0.1:0")];

#[tokio::test]
async fn both_services_serve_https() {
    let folder = folder_with_certificates().await;
    for binary in ["users-api", "offers-api"] {
        let mut process = start(binary, folder.path(), &HTTPS_ONLY);
        let url = process.url(binary, "https").await;
        let port = url.rsplit(':').next().unwrap();
        for host in ["127.0.0.1", "localhost"] {
            let client = client_trusting(folder.path(), "certs/ca.pem").build().unwrap();
            let api = ApiClient::with_client(&format!("https://{host}:{port}"), client);
            api.get("/health/ready").await.expect(200);
        }
        // Public authorities do not vouch for it, and plain HTTP is not served on this port.
        let untrusting = reqwest::Client::builder().no_proxy().build().unwrap();
        assert!(untrusting.get(format!("{url}/health/live")).send().await.is_err());
        let plain = untrusting.get(format!("http://127.0.0.1:{port}/health/live")).send().await;
        assert!(plain.map_or(true, |response| response.status() != 200));
    }
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_supported() {
    let folder = folder_with_certificates().await;
    let mut process = start("users-api", folder.path(), &HTTPS_ONLY);
    let url = process.url("users-api", "https").await;
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let client = client_trusting(folder.path(), "certs/ca.pem");
        let client = client.tls_version_min(version).tls_version_max(version).build().unwrap();
        ApiClient::with_client(&url, client).get("/health/live").await.expect(200);
    }
}

#[tokio::test]
async fn http_and_https_serve_the_same() {
    let folder = folder_with_certificates().await;
    let both = [("HTTP_ADDR", "127.0.0.1:0"), ("HTTPS_ADDR", "127.0.0.1:0")];
    let mut process = start("users-api", folder.path(), &both);
    let http = process.url("users-api", "http").await;
    let https = process.url("users-api", "https").await;
    let client = client_trusting(folder.path(), "certs/ca.pem").build().unwrap();
    let https = ApiClient::with_client(&https, client);
    https.post_registration(registration("ann")).await.expect(201);
    ApiClient::new(&http).post_registration(registration("ann")).await.problem(409);
}

#[tokio::test]
async fn classifieds_generates_a_certificate_once() {
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
            let url = process.url(service, "https").await;
            let client = client_trusting(folder.path(), "certs/ca.pem").build().unwrap();
            ApiClient::with_client(&url, client).get("/health/ready").await.expect(200);
        }
        // The second start uses the certificate of the first.
        let found = fs::read(folder.path().join("certs/ca.pem")).unwrap();
        assert_eq!(authority.get_or_insert_with(|| found.clone()), &found);
    }
    let key = fs::metadata(folder.path().join("certs/server.key")).unwrap();
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o077, 0);
}

#[tokio::test]
async fn renewed_certificate_is_reloaded() {
    let folder = folder_with_certificates().await;
    generate_certificates(folder.path(), "renewed").await;
    for binary in ["users-api", "offers-api"] {
        generate_certificates(folder.path(), "first").await;
        for file in ["server.pem", "server.key"] {
            let to = folder.path().join("certs").join(file);
            fs::copy(folder.path().join("first").join(file), to).unwrap();
        }
        let mut process = start(binary, folder.path(), &HTTPS_ONLY);
        let url = process.url(binary, "https").await;
        let url = format!("{url}/health/live");
        let [old, new] = ["first/ca.pem", "renewed/ca.pem"]
            .map(|ca| client_trusting(folder.path(), ca).build().unwrap());
        old.get(&url).send().await.unwrap();
        assert!(new.get(&url).send().await.is_err());

        // A partially written file, as during a renewal, is ignored.
        fs::write(folder.path().join("certs/server.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
        old.get(&url).send().await.unwrap();

        for file in ["server.pem", "server.key"] {
            let to = folder.path().join("certs").join(file);
            fs::copy(folder.path().join("renewed").join(file), to).unwrap();
        }
        wait::until("the renewed certificate is served", async || new.get(&url).send().await.ok())
            .await;
        assert!(old.get(&url).send().await.is_err());
    }
}
