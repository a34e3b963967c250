//! The real binaries as child processes.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::support::wait as poll;

/// A binary of this workspace; they all stand beside `classifieds`.
pub(crate) fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_classifieds")).with_file_name(name);
    assert!(
        path.exists(),
        "{} is missing: build it with `cargo build --workspace --bins`",
        path.display()
    );
    path
}

/// A command of this workspace in a folder, which sees no setting but those given.
pub(crate) fn command(name: &str, folder: &Path, settings: &[(String, String)]) -> Command {
    let mut command = Command::new(binary(name));
    command
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("RUST_BACKTRACE", "1")
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    command
}

/// What a finished command printed.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end.
pub(crate) async fn run(mut command: Command) -> Finished {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    Finished {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// As `run`, for a command that has to succeed.
pub(crate) async fn succeed(command: Command) -> Finished {
    let what = format!("{command:?}");
    let finished = run(command).await;
    assert!(
        finished.status.success(),
        "{what}: {}\n{}{}",
        finished.status,
        finished.stdout,
        finished.stderr
    );
    finished
}

/// The lines that a child has written so far.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn read(&self, from: impl Read + Send + 'static) -> JoinHandle<()> {
        let lines = self.0.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n') {
                let Ok(line) = line else { return };
                let line = String::from_utf8_lossy(&line).into_owned();
                lines.lock().unwrap().push(line);
            }
        })
    }
}

/// A running binary. It ends with its owner, and shows its logs when a test fails.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: Lines,
    stderr: Lines,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (Lines::default(), Lines::default());
        let readers = vec![
            stdout.read(child.stdout.take().unwrap()),
            stderr.read(child.stderr.take().unwrap()),
        ];
        Self { name: name.to_owned(), child, stdout, stderr, readers }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    pub(crate) fn printed(&self) -> Vec<String> {
        self.stdout.all()
    }

    /// What it has logged.
    pub(crate) fn logs(&self) -> Vec<String> {
        self.stderr.all()
    }

    /// Where `service` listens with `scheme`, once it says so; `None` if it ended instead.
    pub(crate) async fn address(&mut self, service: &str, scheme: &str) -> Option<String> {
        let prefix = format!("{service} {scheme}://");
        let what = format!("{} prints the address of {service} ({scheme})", self.name);
        poll::until(&what, async || {
            let found = self.stdout.all().into_iter().find_map(|line| {
                let url = line.strip_prefix(&prefix)?;
                let whole = !url.is_empty() && !url.contains(char::is_whitespace);
                whole.then(|| format!("{scheme}://{url}"))
            });
            match found {
                Some(url) => Some(Some(url)),
                None => self.child.try_wait().unwrap().map(|_| None),
            }
        })
        .await
    }

    /// Waits for its end by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let what = format!("{} ends", self.name);
        poll::until(&what, async || self.child.try_wait().unwrap()).await
    }

    /// Ends it at once, and waits until all that it wrote is read.
    pub(crate) fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {} printed:", self.name);
            for line in self.stdout.all().iter().chain(&self.stderr.all()) {
                eprintln!("{line}");
            }
        }
    }
}
