//! A hot standby of the disposable `PostgreSQL`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::database::{postgres_url, socket_folder};
use super::process;

/// A hot standby, with all databases of its primary. It ends when dropped.
pub(crate) struct Standby {
    folder: PathBuf,
}

impl Standby {
    pub(crate) async fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("classifieds-standby-{}-{number}", std::process::id());
        // A short path, that the user of the server can enter.
        let standby = Self { folder: Path::new("/tmp").join(name) };
        let mut command = standby.command("standby");
        command.arg(socket_folder(&postgres_url("postgres")));
        process::run_successfully(command).await;
        standby
    }

    /// Returns the path of its Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    fn command(&self, action: &str) -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres"));
        command.arg(action).arg(&self.folder);
        command
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        // A failure leaves a folder behind, and no wrong result.
        let _ = self.command("stop").status();
    }
}
