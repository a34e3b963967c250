//! The examples in the tour of the README.

mod compare;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use self::compare::mismatch;
use crate::support::process::{self, Process};
use crate::support::settings::{setting, settings};

/// A command of the tour, and the output below it.
#[derive(Debug)]
struct Block {
    line: usize,
    command: String,
    expected: Option<(String, String)>,
}

/// Returns the blocks of the tour: from its heading to the next one of the same level.
fn blocks(readme: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut level = 0;
    let mut lines = readme.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        if hashes > 0 {
            if level == 0 && line.to_lowercase().contains("tour") {
                level = hashes;
            } else if level > 0 && hashes <= level {
                break;
            }
        }
        let Some(kind) = line.strip_prefix("```").filter(|_| level > 0) else { continue };
        let body: Vec<_> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let body = body.join("\n");
        match (kind, blocks.last_mut()) {
            ("sh", _) => blocks.push(Block { line: number + 1, command: body, expected: None }),
            ("json" | "text", Some(block)) if block.expected.is_none() => {
                block.expected = Some((kind.to_owned(), body));
            }
            _ => {}
        }
    }
    blocks
}

/// Runs all blocks in one shell, and returns the exit status and the output of each.
async fn run(commands: &[String], folder: &Path) -> Vec<(String, String)> {
    const MARK: &str = "=== end of a block:";
    let mut script = String::new();
    for command in commands {
        writeln!(script, "{command}\nprintf '\\n{MARK} %s\\n' $?").unwrap();
    }
    fs::write(folder.join("tour.sh"), script).unwrap();
    let mut command = std::process::Command::new("bash");
    command.arg("tour.sh").current_dir(folder).stdin(Stdio::null());
    let output = process::run(command).await;
    let mut results = Vec::new();
    let mut printed = String::new();
    for line in output.stdout.lines() {
        match line.strip_prefix(MARK) {
            Some(status) => results.push((status.trim().to_owned(), std::mem::take(&mut printed))),
            None => writeln!(printed, "{line}").unwrap(),
        }
    }
    assert_eq!(results.len(), commands.len(), "the shell exited early: {}", output.stderr);
    results
}

#[tokio::test]
async fn readme_examples_match_output() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(path).expect("there is a README.md");
    let blocks = blocks(&readme);
    let checked = blocks.iter().filter(|block| block.expected.is_some()).count();
    assert!(
        checked >= 10,
        "the tour of README.md has {checked} `sh` blocks that are followed by what they print \
         (`json` or `text`), and should have at least 10"
    );

    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(
        ["USERS_HTTP_ADDR", "USERS_HTTPS_ADDR", "OFFERS_HTTP_ADDR", "OFFERS_HTTPS_ADDR"]
            .map(|name| (name, "127.0.0.1:0")),
    );
    // On a machine that runs all tests at once, offers-api may be slow to respond.
    settings.push(setting("OFFERS_PATIENCE", "10s"));
    let mut process = Process::start("classifieds", folder.path(), &settings);
    let mut replacements = Vec::new();
    for (service, scheme, port) in [
        ("users-api", "http", 8001),
        ("users-api", "https", 8441),
        ("offers-api", "http", 8002),
        ("offers-api", "https", 8442),
    ] {
        let url = process.url(service, scheme).await;
        let actual = url.rsplit(':').next().unwrap().to_owned();
        for host in ["127.0.0.1", "localhost"] {
            replacements.push((format!("{host}:{port}"), format!("{host}:{actual}")));
        }
    }
    let with_actual_ports = |text: &str| {
        replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    };
    let commands: Vec<_> = blocks.iter().map(|block| with_actual_ports(&block.command)).collect();
    let results = run(&commands, folder.path()).await;
    let mut failures = Vec::new();
    for (block, (status, printed)) in blocks.iter().zip(results) {
        let failure = match &block.expected {
            _ if status != "0" => Some(format!("exit status {status}:\n{printed}")),
            Some((kind, expected)) => mismatch(kind, &with_actual_ports(expected), &printed),
            None => None,
        };
        failures.extend(
            failure.map(|why| format!("README.md:{}: {}\n{why}\n", block.line, block.command)),
        );
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
