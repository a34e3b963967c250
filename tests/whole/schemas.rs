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

/// The limits are constants in the code and numbers in descriptions.
#[test]
fn descriptions_name_the_limits() {
    let body = format!("The body is larger than {} KiB.", server::app::MAX_BODY_BYTES / 1024);
    for sdl in [users_api::sdl(), offers_api::sdl()] {
        assert!(sdl.contains(&body));
        let sizes: Vec<_> = ["at most ", "The first "]
            .into_iter()
            .flat_map(|words| sdl.split(words).skip(1))
            .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap())
            .collect();
        assert!(sizes.len() >= 5, "{sizes:?}");
        let page = schema::pagination::MAX_PAGE_SIZE.to_string();
        assert!(sizes.iter().all(|size| *size == page), "{sizes:?}");
    }
}
