//! The binaries of this workspace as child processes.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::settings::Settings;
use super::wait;

/// Returns the path of a binary of this workspace, which is beside that of `classifieds`.
fn binary_path(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_classifieds")).with_file_name(name);
    assert!(
        path.exists(),
        "{} is missing: build it with `cargo build --workspace --bins`",
        path.display()
    );
    path
}

/// Returns a command that runs a binary in a folder, with these settings and no other environment.
pub(crate) fn command(binary: &str, folder: &Path, settings: &Settings) -> Command {
    let mut command = Command::new(binary_path(binary));
    command
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("RUST_BACKTRACE", "1")
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    command
}

/// As [`command`], run by a shell that executes `preparation` first. The process replaces the shell.
pub(crate) fn prepared_command(
    preparation: &str,
    binary: &str,
    folder: &Path,
    settings: &Settings,
) -> Command {
    let direct = command(binary, folder, settings);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{preparation}; exec \"$0\" \"$@\"")])
        .arg(direct.get_program())
        .current_dir(folder)
        .env_clear()
        .envs(direct.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(Stdio::null());
    shell
}

/// The exit status and the output of a finished command.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end.
pub(crate) async fn run(mut command: Command) -> Output {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    Output {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// As [`run`], and asserts that the command succeeds.
pub(crate) async fn run_successfully(command: Command) -> Output {
    let what = format!("{command:?}");
    let output = run(command).await;
    assert!(
        output.status.success(),
        "{what}: {}\n{}{}",
        output.status,
        output.stdout,
        output.stderr
    );
    output
}

/// The lines that a child process has written so far.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn read_from(&self, source: impl Read + Send + 'static) -> JoinHandle<()> {
        let lines = self.0.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n') {
                let Ok(line) = line else { return };
                let line = String::from_utf8_lossy(&line).into_owned();
                lines.lock().unwrap().push(line);
            }
        })
    }
}

/// A running binary. It is killed on drop, and its logs are printed if the test fails.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: Lines,
    stderr: Lines,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a binary of this workspace in a folder.
    pub(crate) fn start(binary: &str, folder: &Path, settings: &Settings) -> Self {
        Self::spawn(binary, command(binary, folder, settings))
    }

    pub(crate) fn spawn(name: &str, mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::spawn_with_outputs(name, command)
    }

    /// As [`Self::spawn`], with the outputs that are set in the command. Only `Stdio::piped()` is
    /// read.
    pub(crate) fn spawn_with_outputs(name: &str, mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (Lines::default(), Lines::default());
        let readers = [
            child.stdout.take().map(|pipe| stdout.read_from(pipe)),
            child.stderr.take().map(|pipe| stderr.read_from(pipe)),
        ];
        let readers = readers.into_iter().flatten().collect();
        Self { name: name.to_owned(), child, stdout, stderr, readers }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) async fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.args(["-s", signal, &self.child.id().to_string()]);
        run_successfully(kill).await;
    }

    /// Returns the lines on standard output so far.
    pub(crate) fn stdout(&self) -> Vec<String> {
        self.stdout.all()
    }

    /// Returns the lines on standard error so far, which are the logs.
    pub(crate) fn logs(&self) -> Vec<String> {
        self.stderr.all()
    }

    /// Returns the URL at which `service` listens, as soon as the process has printed it.
    pub(crate) async fn url(&mut self, service: &str, scheme: &str) -> String {
        let url = self.url_unless_ended(service, scheme).await;
        url.unwrap_or_else(|| panic!("{} ended before {service} listened", self.name))
    }

    /// As [`Self::url`]; `None` if the process ended first.
    pub(crate) async fn url_unless_ended(&mut self, service: &str, scheme: &str) -> Option<String> {
        let prefix = format!("{service} {scheme}://");
        let what = format!("{} prints the address of {service} ({scheme})", self.name);
        wait::until(&what, async || {
            let found = self.stdout.all().into_iter().find_map(|line| {
                let url = line.strip_prefix(&prefix)?;
                let is_complete = !url.is_empty() && !url.contains(char::is_whitespace);
                is_complete.then(|| format!("{scheme}://{url}"))
            });
            match found {
                Some(url) => Some(Some(url)),
                None => self.child.try_wait().unwrap().map(|_| None),
            }
        })
        .await
    }

    /// Waits until the process exits by itself.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let what = format!("{} ends", self.name);
        wait::until(&what, async || self.child.try_wait().unwrap()).await
    }

    /// Kills the process, and waits until all of its output is read.
    pub(crate) fn kill(&mut self) {
        // An error means that the process has ended already.
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
