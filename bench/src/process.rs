//! What is measured, as child processes: where they listen, what they use.

use std::{
    fs, io,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Ticks a second in `/proc`, the same on every Linux that this runs on.
const TICKS: f64 = 100.0;

/// A child process that ends with its owner.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From its start until it listens.
    pub(crate) ready: Duration,
}

impl Process {
    /// Starts a command that prints where it listens as `name http://address`.
    ///
    /// # Errors
    /// Where it cannot be started, or ends before it listens.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let start = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let pipe = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut lines = BufReader::new(pipe).lines();
        let address = loop {
            let line =
                lines.next().ok_or_else(|| io::Error::other(format!("{command:?} ended")))??;
            let address = line.split_once("http://").map(|(_, rest)| rest);
            let address = address.and_then(|rest| rest.split(['/', ' ']).next()?.parse().ok());
            if let Some(address) = address {
                break address;
            }
        };
        // Whatever else it prints must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address, ready: start.elapsed() })
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processor time that a process has used, in seconds.
pub(crate) fn cpu(id: u32) -> f64 {
    stat(id).map_or(0.0, |stat| stat.own)
}

/// The processor time of a PostgreSQL server with its backends, those that ended too.
pub(crate) fn cpu_of_server(id: u32) -> f64 {
    let Ok(all) = fs::read_dir("/proc") else { return 0.0 };
    let ids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let children = ids.filter_map(stat).filter(|stat| stat.parent == id);
    let ended = stat(id).map_or(0.0, |stat| stat.own + stat.ended_children);
    children.map(|stat| stat.own).sum::<f64>() + ended
}

struct Stat {
    parent: u32,
    own: f64,
    ended_children: f64,
}

/// Source: proc(5), `/proc/pid/stat`.
fn stat(id: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<_> = text.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / TICKS);
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: ticks(11)? + ticks(12)?,
        ended_children: ticks(13)? + ticks(14)?,
    })
}

/// The memory that a process holds, in MB.
pub(crate) fn memory(id: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.unwrap_or_default() * 1024.0 / 1e6
}

/// The first process of a PostgreSQL server.
///
/// # Errors
/// Where none runs on this folder.
pub(crate) fn postmaster(data: &Path) -> io::Result<u32> {
    let text = fs::read_to_string(data.join("postmaster.pid"))?;
    text.lines().next().and_then(|line| line.parse().ok()).ok_or_else(|| io::Error::other(text))
}
