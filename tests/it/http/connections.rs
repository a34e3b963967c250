//! Responses that come before the request has been read, and the protocols of a listener.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::support::process::Process;
use crate::support::services::Topology;
use crate::support::settings::settings;
use crate::support::wait::TIMEOUT;

trait Connection: Read + Write + Send {}
impl<T: Read + Write + Send> Connection for T {}

fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.split_once("://").unwrap().1).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// Sends bytes to their end before it reads, and returns the response.
fn exchange(stream: &mut dyn Connection, parts: &[&[u8]]) -> String {
    for part in parts {
        stream.write_all(part).unwrap();
    }
    let mut response = Vec::new();
    // A peer that closes TLS without its closing message is an error at the end.
    if let Err(error) = stream.read_to_end(&mut response) {
        assert!(!response.is_empty(), "{error}");
    }
    String::from_utf8(response).unwrap()
}

#[track_caller]
fn assert_problem(response: &str, status: u16) {
    assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\ncontent-type: application/problem+json\r\n"), "{head}");
    assert!(head.contains("\r\nx-content-type-options: nosniff"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(body["status"], status);
    assert!(body["code"].is_string(), "{body}");
}

fn large_request(bytes: usize, more: &str) -> String {
    format!("POST /user/auth/ HTTP/1.1\r\nhost: a\r\n{more}content-length: {bytes}\r\n\r\n")
}

async fn in_thread(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work).await.unwrap();
}

on_two_processes!(refusal_of_a_large_body_is_received);

async fn refusal_of_a_large_body_is_received(topology: Topology) {
    let services = topology.start_open().await;
    let url = services.users.url("").to_string();
    in_thread(move || {
        let url = url.trim_end_matches('/');
        for bytes in [300_000, 1_000_000, 8_000_000] {
            for _ in 0..3 {
                let head = large_request(bytes, "");
                let response = exchange(&mut connect(url), &[head.as_bytes(), &vec![b'x'; bytes]]);
                assert_problem(&response, 413);
                assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
            }
        }
        // A body of unknown length.
        let head = b"POST /user/auth/ HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = [b"80000\r\n".to_vec(), vec![b'x'; 0x8_0000], b"\r\n".to_vec()].concat();
        let response = exchange(&mut connect(url), &[head, &chunk, &chunk, b"0\r\n\r\n"]);
        assert_problem(&response, 413);
    })
    .await;
}

#[tokio::test]
async fn refusal_of_a_large_body_is_received_over_https() {
    let folder = tempfile::tempdir().unwrap();
    let own = settings([
        ("USERS_HTTP_ADDR", "127.0.0.1:0"),
        ("USERS_HTTPS_ADDR", "127.0.0.1:0"),
        ("OFFERS_HTTP_ADDR", "127.0.0.1:0"),
        ("OFFERS_HTTPS_ADDR", "off"),
    ]);
    let mut process = Process::start("classifieds", folder.path(), &own);
    let url = process.url("users-api", "https").await;
    let ca = CertificateDer::from_pem_file(folder.path().join("certs/ca.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    in_thread(move || {
        for bytes in [300_000, 1_000_000, 3_000_000] {
            for _ in 0..5 {
                let name = ServerName::try_from("localhost").unwrap();
                let tls = ClientConnection::new(Arc::clone(&config), name).unwrap();
                let mut stream = StreamOwned::new(tls, connect(&url));
                let head = large_request(bytes, "");
                let response = exchange(&mut stream, &[head.as_bytes(), &vec![b'x'; bytes]]);
                assert_problem(&response, 413);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn large_body_that_is_announced_is_refused_before_it_is_sent() {
    let services = Topology::SQLITE_ONE_PROCESS.start_open().await;
    let url = services.users.url("").to_string();
    in_thread(move || {
        let mut stream = connect(url.trim_end_matches('/'));
        let head = large_request(5_000_000, "expect: 100-continue\r\n");
        assert_problem(&exchange(&mut stream, &[head.as_bytes()]), 413);
        let mut stream = connect(url.trim_end_matches('/'));
        let head = large_request(5_000_000, "expect: 100-continue\r\n")
            .replace("/user/auth/", "/graphql")
            .replace("host: a", "host: a\r\ncontent-type: application/json");
        let response = exchange(&mut stream, &[head.as_bytes()]);
        assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
        assert!(response.contains("PAYLOAD_TOO_LARGE"), "{response}");
    })
    .await;
}

#[tokio::test]
async fn malformed_requests_get_a_problem() {
    let services = Topology::SQLITE_ONE_PROCESS.start_open().await;
    let url = services.users.url("").to_string();
    in_thread(move || {
        let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(70_000));
        let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(66_000));
        for (request, statuses) in [
            ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", &[400][..]),
            ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\nconnection: close\r\n\r\n", &[400]),
            ("GET / HTTP/1.1\r\nhost: a b/c\r\nconnection: close\r\n\r\n", &[400]),
            ("GET / HTTP/9.9\r\nhost: a\r\n\r\n", &[400]),
            ("nonsense\r\n\r\n", &[400]),
            ("GET / HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n", &[400]),
            ("POST /user/auth/ HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", &[400]),
            (
                "POST /user/auth/ HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\
                 connection: close\r\n\r\n0\r\n\r\n",
                &[400],
            ),
            (&large, &[431]),
            (&long, &[414, 431]),
        ] {
            let response = exchange(&mut connect(url.trim_end_matches('/')), &[request.as_bytes()]);
            let status = response.get(9..12).and_then(|status| status.parse().ok());
            let start = &request[..request.len().min(60)];
            assert!(status.is_some_and(|status| statuses.contains(&status)), "{start}: {response}");
            assert_problem(&response, status.unwrap());
        }
        // HTTP/1.0 knows no Host.
        let response =
            exchange(&mut connect(url.trim_end_matches('/')), &[b"GET / HTTP/1.0\r\n\r\n"]);
        assert!(response.starts_with("HTTP/1.0 200 "), "{response}");
    })
    .await;
}

#[tokio::test]
async fn http_2_without_tls_is_refused() {
    let services = Topology::SQLITE_ONE_PROCESS.start_open().await;
    let url = services.users.url("").to_string();
    in_thread(move || {
        let mut stream = connect(url.trim_end_matches('/'));
        let empty_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let _ = stream.write_all(&empty_settings);
        let mut response = Vec::new();
        // Closed, or reset because of the unread frame.
        let _ = stream.read_to_end(&mut response);
        assert_eq!(response, b"");
    })
    .await;
    services.users.get("/health/live").await.expect(200);
}
