//! Graceful shutdown: it is announced by `/health/ready`, and no request is lost.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::client::ApiClient;
use crate::support::process::Process;
use crate::support::settings::{migrated_folder, setting, valid_settings};
use crate::support::wait;

/// Sends a request except for its last byte.
async fn send_incomplete(address: &str, path: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (sent, _) = body.split_at(body.len() - 1);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{sent}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn sigterm_drains_requests_before_exit() {
    let folder = migrated_folder().await;
    for (binary, path, body) in [
        ("users-api", "/user/auth/", r#"{"username": "a", "password": "b"}"#),
        ("offers-api", "/offer/", r#"{"user_id": 1}"#),
    ] {
        let mut settings = valid_settings(binary, folder.path());
        settings.push(setting("DRAIN", "3s"));
        let mut process = Process::start(binary, folder.path(), &settings);
        let url = process.url(binary, "http").await;
        let address = url.trim_start_matches("http://");
        let api = ApiClient::new(&url);
        let ready = api.get("/health/ready").await.expect(200);
        assert_eq!(ready.header("connection"), None);
        let mut incomplete = send_incomplete(address, path, body).await;

        process.signal("TERM").await;
        let not_ready = wait::until("it is not ready", async || {
            let response = api.get("/health/ready").await;
            (response.status == 503).then_some(response)
        })
        .await;
        assert_eq!(not_ready.problem(503).code, "BUSY");
        assert_eq!(not_ready.header("connection"), Some("close"));
        // It still serves requests.
        api.get("/openapi.json").await.expect(200);
        api.get("/health/live").await.expect(200);

        wait::until_true("new connections are refused", async || {
            TcpStream::connect(address).await.is_err()
        })
        .await;
        incomplete.write_all(&body.as_bytes()[body.len() - 1..]).await.unwrap();
        let mut response = String::new();
        incomplete.read_to_string(&mut response).await.unwrap();
        let expected = if binary == "users-api" { "HTTP/1.1 401" } else { "HTTP/1.1 200" };
        assert!(response.starts_with(expected), "{response}");
        let status = process.wait().await;
        assert!(status.success(), "{binary}: {status}");
    }
}

#[tokio::test]
async fn sigint_exits_without_drain() {
    let folder = migrated_folder().await;
    let mut settings = valid_settings("offers-api", folder.path());
    settings.push(setting("DRAIN", "1h"));
    for signals in [&["INT"][..], &["TERM", "TERM"]] {
        let mut process = Process::start("offers-api", folder.path(), &settings);
        let url = process.url("offers-api", "http").await;
        for (sent, name) in signals.iter().enumerate() {
            process.signal(name).await;
            if sent + 1 < signals.len() {
                let api = ApiClient::new(&url);
                wait::until_true("it is not ready", async || {
                    api.get("/health/ready").await.status == 503
                })
                .await;
            }
        }
        let status = process.wait().await;
        assert!(status.success(), "{signals:?}: {status}");
    }
}
