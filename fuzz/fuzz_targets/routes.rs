//! The whole of users-api but its sockets, on SQLite, with no offers-api behind it.
//!
//! Input: method and path in the first line, an access token or nothing in the second, then a body.
#![no_main]

use std::{path::Path, sync::LazyLock};

use axum::{
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
};
use clap::Parser;
use libfuzzer_sys::fuzz_target;
use sea_orm::Database;
use serde_json::Value;
use server::{listen::App, settings::Settings};
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
};
use tower::ServiceExt;
use users_api::{Own, Upstream};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    own: Own,
    #[command(flatten)]
    upstream: Upstream,
}

struct Service {
    runtime: Runtime,
    app: App,
    _folder: TempDir,
    _running: watch::Sender<bool>,
}

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (stop, stopping) = watch::channel(false);
    let app = runtime.block_on(start(folder.path(), stopping));
    Service { runtime, app, _folder: folder, _running: stop }
});

async fn start(folder: &Path, stopping: watch::Receiver<bool>) -> App {
    let url = format!("sqlite://{}?mode=rwc", folder.join("data.db").display());
    let keys = folder.join("keys").display().to_string();
    let flags = ["users-api", "--database-url", &url, "--jwt-key-dir", &keys, "--security=spec"];
    // Nobody listens at port 1.
    let flags = flags.into_iter().chain(["--offers-url", "http://127.0.0.1:1"]);
    let Arguments { settings, own, upstream } = Arguments::parse_from(flags);
    let database = Database::connect(&url).await.expect("a database");
    migration::up(&database).await.expect("its tables");
    users_api::app(&settings, &own, &upstream, stopping).await.expect("a service")
}

fn request(text: &str) -> Option<Request<Body>> {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (token, body) = rest.split_once('\n').unwrap_or((rest, ""));
    let (method, path) = line.split_once(' ')?;
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let request = Request::builder().method(method).uri(path);
    let mut request = request.header(header::HOST, "localhost");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if path.starts_with("/graphql") {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    request.body(body.to_owned().into()).ok()
}

fuzz_target!(|text: &str| {
    let Some(request) = request(text) else { return };
    let head = request.method() == Method::HEAD;
    let Service { runtime, app, .. } = &*SERVICE;
    runtime.block_on(async {
        let response = app.clone().oneshot(request).await.expect("it always answers");
        let status = response.status();
        if status.is_server_error() {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text:?}");
            assert!(response.headers().contains_key(header::RETRY_AFTER), "{text:?}");
        }
        let failed = status.is_client_error() || status.is_server_error();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("it comes whole");
        if failed && !head {
            let problem: Value = serde_json::from_slice(&bytes).expect("a failure is JSON");
            let code = problem["code"].as_str();
            let code = code.or_else(|| problem["errors"][0]["extensions"]["code"].as_str());
            assert!(code.is_some_and(|code| !code.is_empty()), "{problem}");
        }
    });
});
