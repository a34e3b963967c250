//! Users over GraphQL.

use serde_json::{Value, json};

use crate::support::fixtures::{
    assert_recent, email_of, parse_timestamp, pluck, registration, registration_with,
};
use crate::support::services::Topology;

on_every_topology!(
    registers_and_reads_a_user,
    error_codes_match_rest,
    updates_a_user,
    deletes_a_user,
    user_contains_offers,
);

const REGISTER: &str = "mutation($input: RegisterInput!) {
    register(input: $input) { id username email createdAt } }";
const UPDATE: &str = "mutation($id: ID!, $input: UpdateUserInput!) {
    updateUser(id: $id, input: $input) { id username email } }";

async fn registers_and_reads_a_user(topology: Topology) {
    let services = topology.start_open().await;
    let variables = json!({ "input": registration("ann") });
    let data = services.users.graphql(REGISTER, variables).await.data();
    let user = &data["register"];
    assert_eq!(user["username"], "ann");
    assert_eq!(user["email"], email_of("ann"));
    assert_recent(&user["createdAt"]);
    let id = user["id"].as_str().unwrap();

    let query = "query($id: ID) { user(id: $id) { id username email createdAt } }";
    let data = services.users.graphql(query, json!({ "id": id })).await.data();
    assert_eq!(&data["user"], user);
    let data = services.users.query("{ user(username: \"ANN\") { id } }").await;
    assert_eq!(data["user"]["id"], id);
    let data = services.users.query("{ user(username: \"nobody\") { id } me { id } }").await;
    assert_eq!(data, json!({ "user": null, "me": null }));
    let data = services.users.query("{ user(id: \"99999\") { id } }").await;
    assert_eq!(data, json!({ "user": null }));
}

async fn error_codes_match_rest(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let same_name = registration_with("bob", "username", "ANN");
    let same_email = registration_with("bob", "email", email_of("ann"));
    let invalid_email = registration_with("bob", "email", "nobody");
    for body in [same_name, same_email, invalid_email] {
        let rest = services.users.post_registration(body.clone()).await;
        let rest = rest.problem(rest.status);
        let graphql = services.users.graphql(REGISTER, json!({ "input": body })).await;
        assert_eq!(graphql.code(), rest.code);
        assert_eq!(graphql.body["errors"][0]["message"], rest.detail);
        assert_eq!(graphql.body["data"], Value::Null);
    }

    let rest = services.users.patch_user("99999", json!({ "username": "bob" })).await.problem(404);
    let variables = json!({ "id": "99999", "input": { "username": "bob" } });
    let graphql = services.users.graphql(UPDATE, variables).await;
    assert_eq!(graphql.code(), rest.code);

    let rest = services.users.bearer(&ann.access_token).delete_user("99999").await;
    let rest = rest.problem(rest.status);
    let delete = "mutation { deleteUser(id: \"99999\") }";
    let graphql = services.users.bearer(&ann.access_token).graphql(delete, json!({})).await;
    assert_eq!(graphql.code(), rest.code);
}

async fn updates_a_user(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let variables = json!({ "id": ann.id.to_string(), "input": { "email": "a@example.net" } });
    let data = services.users.graphql(UPDATE, variables).await.data();
    let expected = json!({ "id": ann.id.to_string(), "username": "ann", "email": "a@example.net" });
    assert_eq!(data["updateUser"], expected);
    let user = services.users.get_user("ann").await.expect(200).json();
    assert_eq!(user["email"], "a@example.net");
}

async fn deletes_a_user(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let delete = format!("mutation {{ deleteUser(id: \"{}\") }}", ann.id);
    assert_eq!(services.users.query(&delete).await, json!({ "deleteUser": true }));
    services.users.get_user(ann.id).await.problem(404);
}

async fn user_contains_offers(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let chair = services.create_offer(&ann, "chair").await;
    services.create_offer(&ann, "table").await;
    services.register("bob").await;
    let query = "{ ann: user(username: \"ann\") { offers {
        id title text price { amount currency } status createdAt updatedAt userId } }
        bob: user(username: \"bob\") { offers { id } } }";
    let data = services.users.query(query).await;
    assert_eq!(pluck(&data["ann"]["offers"], "title"), ["chair", "table"]);
    let first = &data["ann"]["offers"][0];
    assert_eq!(first["id"], chair["id"].to_string());
    assert_eq!(first["userId"], ann.id.to_string());
    assert_eq!(first["text"], chair["text"]);
    assert_eq!(first["price"], Value::Null);
    assert_eq!(first["status"], "OPEN");
    assert_eq!(first["updatedAt"], first["createdAt"]);
    assert_eq!(parse_timestamp(&first["createdAt"]), parse_timestamp(&chair["created_at"]));
    assert_eq!(data["bob"]["offers"], json!([]));
}
