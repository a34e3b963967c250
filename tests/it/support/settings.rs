//! Settings of the binaries, as environment variables.

use std::net::TcpListener;
use std::path::Path;

use tempfile::TempDir;

use super::database::{migrate, sqlite_url};

/// Names and values; the last value of a name counts.
pub(crate) type Settings = [(String, String)];

pub(crate) fn setting(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

pub(crate) fn settings<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, String)> {
    pairs.into_iter().map(|(name, value)| setting(name, value)).collect()
}

/// Returns settings with which a binary starts on free ports, with the database of a folder. The
/// first one is `DATABASE_URL`.
pub(crate) fn valid_settings(binary: &str, folder: &Path) -> Vec<(String, String)> {
    let mut valid = vec![setting("DATABASE_URL", &sqlite_url(folder))];
    valid.extend(match binary {
        "classifieds" => settings([
            ("USERS_HTTP_ADDR", "127.0.0.1:0"),
            ("OFFERS_HTTP_ADDR", "127.0.0.1:0"),
            ("USERS_HTTPS_ADDR", "off"),
            ("OFFERS_HTTPS_ADDR", "off"),
        ]),
        _ => settings([("HTTP_ADDR", "127.0.0.1:0")]),
    });
    valid
}

/// Creates a folder with a migrated `SQLite` database.
pub(crate) async fn migrated_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    migrate(&sqlite_url(folder.path()), folder.path(), "up").await;
    folder
}

/// Returns a local address on which no process listens.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
