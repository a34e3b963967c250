//! Descriptions in the schema, which GraphiQL shows.

use serde_json::Value;

use crate::support::services::Topology;

on_every_topology!(every_schema_element_has_a_description, every_error_code_has_its_description);

const INTROSPECTION: &str = "{ __schema { types { kind name description
    fields(includeDeprecated: true) { name description
        args(includeDeprecated: true) { name description } }
    inputFields(includeDeprecated: true) { name description }
    enumValues(includeDeprecated: true) { name description } }
    directives { name description args { name description } } } }";

/// Collects the paths of elements without a description.
fn collect_undescribed(element: &Value, path: &str, found: &mut Vec<String>) {
    let name = element["name"].as_str().unwrap();
    // Names of the GraphQL language and of federation are described in their specifications.
    if name.starts_with('_') {
        return;
    }
    let path = format!("{path}.{name}");
    if element["description"].as_str().is_none_or(|text| text.trim().is_empty()) {
        found.push(path.clone());
    }
    for list in ["fields", "args", "inputFields", "enumValues"] {
        for part in element[list].as_array().into_iter().flatten() {
            collect_undescribed(part, &path, found);
        }
    }
}

async fn every_schema_element_has_a_description(topology: Topology) {
    let services = topology.start_open().await;
    for api in services.both() {
        let data = api.query(INTROSPECTION).await;
        let types = data["__schema"]["types"].as_array().unwrap();
        assert!(types.len() > 15, "{}", types.len());
        let directives = data["__schema"]["directives"].as_array().unwrap();
        let mut found = Vec::new();
        for element in types.iter().chain(directives) {
            collect_undescribed(element, "", &mut found);
        }
        assert!(found.is_empty(), "no description: {found:#?}");
    }
}

async fn every_error_code_has_its_description(topology: Topology) {
    let services = topology.start_open().await;
    for api in services.both() {
        let query = "{ __type(name: \"ErrorCode\") { enumValues { name description } } }";
        let data = api.query(query).await;
        let values = data["__type"]["enumValues"].as_array().unwrap();
        let described: Vec<_> = values
            .iter()
            .map(|value| (value["name"].as_str().unwrap(), value["description"].as_str().unwrap()))
            .collect();
        let mut all: Vec<_> =
            schema::ErrorCode::ALL.iter().map(|code| (code.as_str(), code.description())).collect();
        all.sort_unstable();
        let mut sorted = described.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, all);
    }
}
