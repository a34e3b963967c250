//! The committed schema files match the code.

use std::fs;
use std::path::Path;

/// The variable that `schema/make` sets to rewrite the files.
const WRITE_VARIABLE: &str = "WRITE_SCHEMAS";

fn assert_schema_file(name: &str, sdl: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(name);
    if std::env::var_os(WRITE_VARIABLE).is_some() {
        fs::write(&path, sdl).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == sdl, "{} is outdated: run schema/make", path.display());
}

#[test]
fn users_graphql_matches_the_code() {
    assert_schema_file("users.graphql", &users_api::sdl());
}

#[test]
fn offers_graphql_matches_the_code() {
    assert_schema_file("offers.graphql", &offers_api::sdl());
}
