//! Rules that the source tree keeps.

use std::fs;
use std::path::{Path, PathBuf};

/// The Rust files below a folder.
fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules"].contains(&&*name) {
                rust_files(&path, files);
            }
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// Whether a line of code holds SQL, or calls what takes it.
fn is_sql(line: &str) -> bool {
    const CALLS: [&str; 7] = [
        "execute_unprepared",
        "statement::from",
        "from_sql_and_values",
        "from_string(",
        "expr::cust",
        "sqlx::query",
        "raw_sql",
    ];
    const PAIRS: [[&str; 2]; 6] = [
        ["select ", " from "],
        ["insert ", " into "],
        ["update ", " set "],
        ["delete ", " from "],
        ["create ", " table "],
        ["alter ", " table "],
    ];
    let line = line.trim().to_lowercase();
    if line.starts_with("//") {
        return false;
    }
    let literal = line.split('"').skip(1).step_by(2);
    let code: String = line.split('"').step_by(2).collect();
    let quoted = |text: &str| {
        let text = format!(" {text} ");
        let starts = ["pragma", "select 1", "begin;", "commit;", "listen ", "notify "];
        let starts = starts.iter().any(|word| text.trim_start().starts_with(word));
        starts || PAIRS.iter().any(|pair| pair.iter().all(|word| text.contains(word)))
    };
    CALLS.iter().any(|call| code.contains(call)) || literal.into_iter().any(quoted)
}

/// All access to rows goes by entities; `migration` has the history of the tables, and the tests
/// manage whole databases.
#[test]
fn sql_stands_in_the_migrations_alone() {
    assert!(is_sql(r#"let all = "SELECT id FROM users";"#));
    assert!(is_sql("db.execute_unprepared(text)"));
    assert!(!is_sql(r#"error("pick one from the list, then set it")"#));

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(root, &mut files);
    let outside = files.iter().filter(|path| {
        !["migration", "tests"].iter().any(|folder| path.starts_with(root.join(folder)))
    });
    let mut looked_at = 0;
    let mut found = Vec::new();
    for path in outside {
        looked_at += 1;
        for (number, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
            if is_sql(line) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(looked_at > 20, "only {looked_at} files were looked at");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
