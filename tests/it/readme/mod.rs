//! The tour of the README, run as it stands there.

mod compare;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use self::compare::check;
use crate::support::process::{self, Process};

/// A command of the tour, and what it is said to print.
#[derive(Debug)]
struct Block {
    line: usize,
    command: String,
    expected: Option<(String, String)>,
}

/// The blocks of the tour: from the heading that says so to the next one of its rank.
fn blocks(readme: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut rank = 0;
    let mut lines = readme.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        if hashes > 0 {
            if rank == 0 && line.to_lowercase().contains("tour") {
                rank = hashes;
            } else if rank > 0 && hashes <= rank {
                break;
            }
        }
        let Some(kind) = line.strip_prefix("```").filter(|_| rank > 0) else { continue };
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

/// Runs all blocks in one shell, and gives for each its exit status and what it printed.
async fn run(commands: &[String], folder: &Path) -> Vec<(String, String)> {
    const MARK: &str = "=== end of a block:";
    let mut script = String::new();
    for command in commands {
        writeln!(script, "{command}\nprintf '\\n{MARK} %s\\n' $?").unwrap();
    }
    fs::write(folder.join("tour.sh"), script).unwrap();
    let mut command = std::process::Command::new("bash");
    command.arg("tour.sh").current_dir(folder).stdin(Stdio::null());
    let finished = process::run(command).await;
    let mut results = Vec::new();
    let mut printed = String::new();
    for line in finished.stdout.lines() {
        match line.strip_prefix(MARK) {
            Some(status) => results.push((status.trim().to_owned(), std::mem::take(&mut printed))),
            None => writeln!(printed, "{line}").unwrap(),
        }
    }
    assert_eq!(results.len(), commands.len(), "the shell left early: {}", finished.stderr);
    results
}

#[tokio::test]
async fn every_block_of_the_tour_gives_what_is_printed_beside_it() {
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
    let mut settings: Vec<_> =
        ["USERS_HTTP_ADDR", "USERS_HTTPS_ADDR", "OFFERS_HTTP_ADDR", "OFFERS_HTTPS_ADDR"]
            .map(|name| (name.to_owned(), "127.0.0.1:0".to_owned()))
            .into();
    // The machine may be busy with the other tests.
    settings.push(("OFFERS_PATIENCE".to_owned(), "10s".to_owned()));
    let command = process::command("classifieds", folder.path(), &settings);
    let mut process = Process::start("classifieds", command);
    let mut real = Vec::new();
    for (service, scheme, port) in [
        ("users-api", "http", 8001),
        ("users-api", "https", 8441),
        ("offers-api", "http", 8002),
        ("offers-api", "https", 8442),
    ] {
        let url = process.address(service, scheme).await.expect("classifieds runs");
        let own = url.rsplit(':').next().unwrap().to_owned();
        for host in ["127.0.0.1", "localhost"] {
            real.push((format!("{host}:{port}"), format!("{host}:{own}")));
        }
    }
    let with_real = |text: &str| {
        real.iter().fold(text.to_owned(), |text, (default, own)| text.replace(default, own))
    };
    let commands: Vec<_> = blocks.iter().map(|block| with_real(&block.command)).collect();
    let results = run(&commands, folder.path()).await;
    let mut failures = Vec::new();
    for (block, (status, printed)) in blocks.iter().zip(results) {
        let failure = match &block.expected {
            _ if status != "0" => Some(format!("exit status {status}:\n{printed}")),
            Some((kind, expected)) => check(kind, &with_real(expected), &printed),
            None => None,
        };
        failures.extend(
            failure.map(|why| format!("README.md:{}: {}\n{why}\n", block.line, block.command)),
        );
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
