//! Outputs that nothing reads: logs and the printed addresses are best effort, requests are not.

use std::fs::File;
use std::io::PipeReader;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::client::ApiClient;
use crate::support::fixtures::{password_of, registration};
use crate::support::metrics::counter;
use crate::support::process::{self, Process};
use crate::support::settings::{free_address, migrated_folder, setting, settings, valid_settings};
use crate::support::wait;

fn full_device() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

fn closed_pipe() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

/// `classifieds` with outputs of its own.
struct Classifieds {
    users: ApiClient,
    process: Process,
    _folder: TempDir,
}

impl Classifieds {
    /// Starts the services, and waits until they listen, since the addresses may not be printed.
    async fn start(log: &str, set_outputs: impl FnOnce(&mut Command)) -> Self {
        let folder = migrated_folder().await;
        let (users, offers) = (free_address(), free_address());
        let mut all = valid_settings("classifieds", folder.path());
        all.extend(settings([("USERS_HTTP_ADDR", &*users), ("OFFERS_HTTP_ADDR", &offers)]));
        all.push(setting("LOG", log));
        let mut command = process::command("classifieds", folder.path(), &all);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        set_outputs(&mut command);
        let process = Process::spawn_with_outputs("classifieds", command);
        for address in [&users, &offers] {
            let listens = async || TcpStream::connect(address).await.is_ok();
            wait::until_true("the service listens", listens).await;
        }
        Self { users: ApiClient::new(&format!("http://{users}")), process, _folder: folder }
    }

    /// Asserts that requests that log are answered.
    async fn assert_answers(&self, name: &str) {
        let password = password_of(name);
        self.users.post_registration(registration(name)).await.expect(201);
        self.users.post_login(name, &password).await.expect(200);
        self.users.post_login(name, "wrong").await.problem(401);
        let query =
            "mutation($input: AuthenticateInput!) { authenticate(input: $input) { userId } }";
        let input = json!({ "username": name, "password": password });
        self.users.graphql(query, json!({ "input": input })).await.data();
    }

    async fn dropped_lines(&self) -> u64 {
        counter(&self.users, "log_lines_dropped_total", |_| true).await
    }

    /// Asserts that `SIGTERM` ends the process with success, after its drain of a second.
    async fn assert_stops(mut self) {
        let start = Instant::now();
        self.process.signal("TERM").await;
        let status = self.process.wait().await;
        assert!(status.success(), "{status}");
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn unwritable_stderr_loses_only_logs() {
    for stderr in [full_device, closed_pipe] {
        let services = Classifieds::start("info", |command| {
            command.stderr(stderr());
        })
        .await;
        services.assert_answers("ann").await;
        wait::until_true("the lines are counted", async || services.dropped_lines().await >= 4)
            .await;
        services.assert_stops().await;
    }
}

#[tokio::test]
async fn pipe_that_closes_loses_only_logs() {
    let (reader, writer) = std::io::pipe().unwrap();
    let services = Classifieds::start("info", |command| {
        command.stderr(writer);
    })
    .await;
    services.assert_answers("ann").await;
    assert_eq!(services.dropped_lines().await, 0);
    drop(reader);
    services.assert_answers("bob").await;
    wait::until_true("the lines are counted", async || services.dropped_lines().await >= 4).await;
    services.assert_stops().await;
}

#[tokio::test]
async fn unwritable_stdout_does_not_prevent_the_start() {
    for output in [full_device, closed_pipe] {
        let services = Classifieds::start("info", |command| {
            command.stdout(output());
        })
        .await;
        services.assert_answers("ann").await;
        services.assert_stops().await;
    }
}

/// Sends requests until log lines are dropped because the pipe and the queue are full.
async fn fill(services: &Classifieds) {
    wait::until_true("log lines are dropped", async || {
        let requests = (0..200).map(|_| services.users.get("/health/live"));
        join_all(requests).await.into_iter().for_each(|response| drop(response.expect(200)));
        services.dropped_lines().await > 0
    })
    .await;
}

async fn assert_unread_pipe_loses_only_logs(set_outputs: impl FnOnce(&mut Command) -> PipeReader) {
    let mut reader = None;
    let services = Classifieds::start("debug", |command| {
        reader = Some(set_outputs(command));
    })
    .await;
    fill(&services).await;
    services.assert_answers("ann").await;
    services.assert_stops().await;
    drop(reader);
}

#[tokio::test]
async fn unread_stderr_loses_only_logs() {
    assert_unread_pipe_loses_only_logs(|command| {
        let (reader, writer) = std::io::pipe().unwrap();
        command.stderr(writer);
        reader
    })
    .await;
}

#[tokio::test]
async fn unread_pipe_of_both_outputs_loses_only_logs() {
    assert_unread_pipe_loses_only_logs(|command| {
        let (reader, writer) = std::io::pipe().unwrap();
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        reader
    })
    .await;
}

#[tokio::test]
async fn logs_are_complete_at_exit() {
    let mut services = Classifieds::start("info", |command| {
        command.stderr(Stdio::piped());
    })
    .await;
    services.assert_answers("ann").await;
    services.process.signal("TERM").await;
    assert!(services.process.wait().await.success());
    services.process.kill();
    let logs = services.process.logs().join("\n");
    for line in ["user_created", "authn_login_success", "authn_login_fail", "shutting down"] {
        assert!(logs.contains(line), "{line}: {logs}");
    }
}

#[tokio::test]
async fn commands_succeed_without_a_reader() {
    let folder = migrated_folder().await;
    let database = valid_settings("classifieds", folder.path());
    // `keys rotate` adds to a folder that exists.
    std::fs::create_dir_all(folder.path().join("data/keys")).unwrap();
    let copy = format!("sqlite://{}/copy.db?mode=rwc", folder.path().display());
    let commands: [(&str, &[&str]); 5] = [
        ("classifieds", &["seed", "--users", "1"]),
        ("classifieds", &["copy", "--to", &copy]),
        ("users-api", &["keys", "rotate"]),
        ("certs", &["certs"]),
        ("migration", &["up"]),
    ];
    for (binary, arguments) in commands {
        let mut command = process::command(binary, folder.path(), &database);
        command.args(arguments).stdout(full_device()).stderr(full_device());
        process::run_successfully(command).await;
    }
}

#[tokio::test]
async fn lost_results_and_errors_have_an_exit_status() {
    let folder = migrated_folder().await;
    let database = valid_settings("migration", folder.path());
    let mut status = process::command("migration", folder.path(), &database);
    status.arg("status").stdout(full_device());
    let output = process::run(status).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.contains("standard output"), "{}", output.stderr);

    let invalid = settings([("DATABASE_URL", "sqlite:///nowhere/at/all.db")]);
    for (binary, arguments, code) in
        [("classifieds", &[][..], 2), ("migration", &["up"], 1), ("certs", &["/dev/null/x"], 1)]
    {
        let mut command = process::command(binary, folder.path(), &invalid);
        command.args(arguments).stderr(closed_pipe());
        assert_eq!(process::run(command).await.status.code(), Some(code), "{binary}");
    }
}
