//! Everything that the playground shows says what it is.

use serde_json::Value;

use crate::support::services::Layout;

on_every_stack!(everything_is_described, every_error_code_is_described);

const INTROSPECTION: &str = "{ __schema { types { kind name description
    fields(includeDeprecated: true) { name description
        args(includeDeprecated: true) { name description } }
    inputFields(includeDeprecated: true) { name description }
    enumValues(includeDeprecated: true) { name description } }
    directives { name description args { name description } } } }";

/// What has no words of its own, as a path.
fn silent(of: &Value, path: &str, found: &mut Vec<String>) {
    let name = of["name"].as_str().unwrap();
    // The language and federation describe their own in their specifications.
    if name.starts_with('_') {
        return;
    }
    let path = format!("{path}.{name}");
    if of["description"].as_str().is_none_or(|text| text.trim().is_empty()) {
        found.push(path.clone());
    }
    for list in ["fields", "args", "inputFields", "enumValues"] {
        for part in of[list].as_array().into_iter().flatten() {
            silent(part, &path, found);
        }
    }
}

async fn everything_is_described(layout: Layout) {
    let stack = layout.spec().await;
    for api in [&stack.users, &stack.offers] {
        let data = api.query(INTROSPECTION).await;
        let types = data["__schema"]["types"].as_array().unwrap();
        assert!(types.len() > 15, "{}", types.len());
        let directives = data["__schema"]["directives"].as_array().unwrap();
        let mut found = Vec::new();
        for of in types.iter().chain(directives) {
            silent(of, "", &mut found);
        }
        assert!(found.is_empty(), "no description: {found:#?}");
    }
}

async fn every_error_code_is_described(layout: Layout) {
    let stack = layout.spec().await;
    for api in [&stack.users, &stack.offers] {
        let query = "{ __type(name: \"ErrorCode\") { enumValues { name description } } }";
        let data = api.query(query).await;
        let values = data["__type"]["enumValues"].as_array().unwrap();
        let told: Vec<_> = values
            .iter()
            .map(|value| (value["name"].as_str().unwrap(), value["description"].as_str().unwrap()))
            .collect();
        let mut all: Vec<_> =
            schema::Code::ALL.iter().map(|code| (code.as_str(), code.meaning())).collect();
        all.sort_unstable();
        let mut sorted = told.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, all);
    }
}
