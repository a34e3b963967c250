//! The end of a service: seen before it comes, and no request is lost by it.

use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::settings::{good, ready_folder};
use crate::support::client::Api;
use crate::support::process::{self, Process};
use crate::support::wait as poll;

async fn signal(process: &Process, name: &str) {
    let mut kill = Command::new("kill");
    kill.args(["-s", name, &process.id().to_string()]);
    process::succeed(kill).await;
}

/// A request of which the last byte has not been sent.
async fn half(address: &str, path: &str, body: &str) -> TcpStream {
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
async fn a_terminated_service_says_so_first_and_answers_what_is_under_way() {
    let folder = ready_folder().await;
    for (binary, path, body) in [
        ("users-api", "/user/auth/", r#"{"username": "a", "password": "b"}"#),
        ("offers-api", "/offer/", r#"{"user_id": 1}"#),
    ] {
        let mut settings = good(binary, folder.path());
        settings.push(("DRAIN".to_owned(), "3s".to_owned()));
        let mut process =
            Process::start(binary, process::command(binary, folder.path(), &settings));
        let url = process.address(binary, "http").await.expect("it runs");
        let address = url.trim_start_matches("http://");
        let api = Api::new(&url);
        let ready = api.get("/health/ready").await.expect(200);
        assert_eq!(ready.header("connection"), None);
        let mut under_way = half(address, path, body).await;

        signal(&process, "TERM").await;
        let leaving = poll::until("it is not ready", async || {
            let answer = api.get("/health/ready").await;
            (answer.status == 503).then_some(answer)
        })
        .await;
        assert_eq!(leaving.problem(503).code, "BUSY");
        assert_eq!(leaving.header("connection"), Some("close"));
        // It still answers, and lives.
        api.get("/openapi.json").await.expect(200);
        api.get("/health/live").await.expect(200);

        poll::until("no new connection is taken", async || {
            TcpStream::connect(address).await.is_err().then_some(())
        })
        .await;
        under_way.write_all(&body.as_bytes()[body.len() - 1..]).await.unwrap();
        let mut answer = String::new();
        under_way.read_to_string(&mut answer).await.unwrap();
        let expected = if binary == "users-api" { "HTTP/1.1 401" } else { "HTTP/1.1 200" };
        assert!(answer.starts_with(expected), "{answer}");
        let status = process.ended().await;
        assert!(status.success(), "{binary}: {status}");
    }
}

#[tokio::test]
async fn an_interrupt_does_not_wait() {
    let folder = ready_folder().await;
    let mut settings = good("offers-api", folder.path());
    settings.push(("DRAIN".to_owned(), "1h".to_owned()));
    for signals in [&["INT"][..], &["TERM", "TERM"]] {
        let command = process::command("offers-api", folder.path(), &settings);
        let mut process = Process::start("offers-api", command);
        let url = process.address("offers-api", "http").await.expect("it runs");
        for (sent, name) in signals.iter().enumerate() {
            signal(&process, name).await;
            if sent + 1 < signals.len() {
                let api = Api::new(&url);
                poll::until("it is not ready", async || {
                    (api.get("/health/ready").await.status == 503).then_some(())
                })
                .await;
            }
        }
        let status = process.ended().await;
        assert!(status.success(), "{signals:?}: {status}");
    }
}
