//! Users by GraphQL.

use serde_json::{Value, json};

use crate::support::fixtures::{assert_recent, each, email_of, registration, time};
use crate::support::services::Layout;

on_every_stack!(
    registers_and_reads,
    refuses_with_the_codes_of_rest,
    updates_a_user,
    deletes_a_user,
    shows_offers,
);

const REGISTER: &str = "mutation($input: RegisterInput!) {
    register(input: $input) { id username email createdAt } }";
const UPDATE: &str = "mutation($id: ID!, $input: UpdateUserInput!) {
    updateUser(id: $id, input: $input) { id username email } }";

async fn registers_and_reads(layout: Layout) {
    let stack = layout.spec().await;
    let variables = json!({ "input": registration("ann") });
    let data = stack.users.graphql(REGISTER, variables).await.data();
    let user = &data["register"];
    assert_eq!(user["username"], "ann");
    assert_eq!(user["email"], email_of("ann"));
    assert_recent(&user["createdAt"]);
    let id = user["id"].as_str().unwrap();

    let query = "query($id: ID) { user(id: $id) { id username email createdAt } }";
    let data = stack.users.graphql(query, json!({ "id": id })).await.data();
    assert_eq!(&data["user"], user);
    let data = stack.users.query("{ user(username: \"ANN\") { id } }").await;
    assert_eq!(data["user"]["id"], id);
    let data = stack.users.query("{ user(username: \"nobody\") { id } me { id } }").await;
    assert_eq!(data, json!({ "user": null, "me": null }));
    let data = stack.users.query("{ user(id: \"99999\") { id } }").await;
    assert_eq!(data, json!({ "user": null }));
}

async fn refuses_with_the_codes_of_rest(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let mut same_name = registration("bob");
    same_name["username"] = json!("ANN");
    let mut same_email = registration("bob");
    same_email["email"] = json!(email_of("ann"));
    let mut bad_email = registration("bob");
    bad_email["email"] = json!("nobody");
    for body in [same_name, same_email, bad_email] {
        let rest = stack.users.post("/user/registry/", body.clone()).await;
        let rest = rest.problem(rest.status);
        let graph = stack.users.graphql(REGISTER, json!({ "input": body })).await;
        assert_eq!(graph.code(), rest.code);
        assert_eq!(graph.body["errors"][0]["message"], rest.detail);
        assert_eq!(graph.body["data"], Value::Null);
    }

    let rest = stack.users.patch("/user/99999/", json!({ "username": "bob" })).await.problem(404);
    let variables = json!({ "id": "99999", "input": { "username": "bob" } });
    let graph = stack.users.graphql(UPDATE, variables).await;
    assert_eq!(graph.code(), rest.code);

    let rest = stack.users.bearer(&ann.access).delete("/user/99999/").await;
    let rest = rest.problem(rest.status);
    let delete = "mutation { deleteUser(id: \"99999\") }";
    let graph = stack.users.bearer(&ann.access).graphql(delete, json!({})).await;
    assert_eq!(graph.code(), rest.code);
}

async fn updates_a_user(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let variables = json!({ "id": ann.id.to_string(), "input": { "email": "a@example.net" } });
    let data = stack.users.graphql(UPDATE, variables).await.data();
    let expected = json!({ "id": ann.id.to_string(), "username": "ann", "email": "a@example.net" });
    assert_eq!(data["updateUser"], expected);
    let user = stack.users.get("/user/ann/").await.expect(200).json();
    assert_eq!(user["email"], "a@example.net");
}

async fn deletes_a_user(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let delete = format!("mutation {{ deleteUser(id: \"{}\") }}", ann.id);
    assert_eq!(stack.users.query(&delete).await, json!({ "deleteUser": true }));
    stack.users.get(&ann.path()).await.problem(404);
}

async fn shows_offers(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let chair = stack.offer(&ann, "chair").await;
    stack.offer(&ann, "table").await;
    stack.register("bob").await;
    let query = "{ ann: user(username: \"ann\") { offers { id title text createdAt userId } }
        bob: user(username: \"bob\") { offers { id } } }";
    let data = stack.users.query(query).await;
    assert_eq!(each(&data["ann"]["offers"], "title"), ["chair", "table"]);
    let first = &data["ann"]["offers"][0];
    assert_eq!(first["id"], chair["id"].to_string());
    assert_eq!(first["userId"], ann.id.to_string());
    assert_eq!(first["text"], chair["text"]);
    assert_eq!(time(&first["createdAt"]), time(&chair["created_at"]));
    assert_eq!(data["bob"]["offers"], json!([]));
}
