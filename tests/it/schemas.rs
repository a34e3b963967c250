//! The schemas that are kept as text, for clients and gateways.

use std::fs;
use std::path::Path;

/// `schema/make` sets it, to write the texts anew.
const WRITE: &str = "WRITE_SCHEMAS";

fn check(name: &str, sdl: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(name);
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, sdl).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == sdl, "{} is not what the code says: run schema/make", path.display());
}

#[test]
fn users_graphql_is_what_the_code_says() {
    check("users.graphql", &users_api::sdl());
}

#[test]
fn offers_graphql_is_what_the_code_says() {
    check("offers.graphql", &offers_api::sdl());
}
