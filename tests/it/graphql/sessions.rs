//! Sessions by GraphQL.

use serde_json::{Value, json};

use crate::support::fixtures::password_of;
use crate::support::services::Layout;

on_every_stack!(
    logs_in_and_out,
    refuses_with_the_codes_of_rest,
    changes_a_password,
    a_bad_token_is_refused,
);

const LOG_IN: &str = "mutation($input: AuthenticateInput!) {
    authenticate(input: $input) { userId accessToken refreshToken tokenType expiresIn } }";
const REFRESH: &str = "mutation($token: String!) {
    refresh(refreshToken: $token) { userId accessToken refreshToken } }";
const CHANGE: &str = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) }";

async fn logs_in_and_out(layout: Layout) {
    let stack = layout.spec().await;
    let id = stack.register("ann").await["id"].to_string();
    let login = json!({ "username": "ann", "password": password_of("ann") });
    let data = stack.users.graphql(LOG_IN, json!({ "input": login })).await.data();
    let session = &data["authenticate"];
    assert_eq!(session["userId"], id.as_str());
    assert_eq!(session["tokenType"], "Bearer");
    assert_eq!(session["expiresIn"], 600);

    let own = stack.users.bearer(session["accessToken"].as_str().unwrap());
    let data = own.query("{ me { id username } }").await;
    assert_eq!(data["me"], json!({ "id": id, "username": "ann" }));

    let variables = json!({ "token": session["refreshToken"] });
    let data = stack.users.graphql(REFRESH, variables).await.data();
    let session = &data["refresh"];
    assert_eq!(session["userId"], id.as_str());

    let variables = json!({ "token": session["refreshToken"] });
    let log_out = "mutation($token: String!) { logout(refreshToken: $token) }";
    for _ in 0..2 {
        let data = stack.users.graphql(log_out, variables.clone()).await.data();
        assert_eq!(data, json!({ "logout": true }));
    }
    let graph = stack.users.graphql(REFRESH, variables).await;
    assert_eq!(graph.body["data"], Value::Null);
    assert_eq!(graph.body["errors"].as_array().unwrap().len(), 1);
}

async fn refuses_with_the_codes_of_rest(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    let login = json!({ "username": "ann", "password": "wrong" });
    let rest = stack.users.post("/user/auth/", login.clone()).await.problem(401);
    let graph = stack.users.graphql(LOG_IN, json!({ "input": login })).await;
    assert_eq!(graph.code(), rest.code);
    let token = json!({ "refresh_token": "garbage" });
    let rest = stack.users.post("/user/refresh/", token).await.problem(401);
    let graph = stack.users.graphql(REFRESH, json!({ "token": "garbage" })).await;
    assert_eq!(graph.code(), rest.code);
    let passwords = json!({ "old_password": "old one", "new_password": "new one" });
    let rest = stack.users.post("/user/password/", passwords).await.problem(401);
    let input = json!({ "oldPassword": "old one", "newPassword": "new one" });
    let graph = stack.users.graphql(CHANGE, json!({ "input": input })).await;
    assert_eq!(graph.code(), rest.code);
}

async fn changes_a_password(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let input = json!({ "oldPassword": ann.password, "newPassword": "a wholly new one" });
    let own = stack.users.bearer(&ann.access);
    let data = own.graphql(CHANGE, json!({ "input": input })).await.data();
    assert_eq!(data, json!({ "changePassword": true }));
    let login = json!({ "username": "ann", "password": "a wholly new one" });
    stack.users.graphql(LOG_IN, json!({ "input": login })).await.data();
}

async fn a_bad_token_is_refused(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let rest = stack.users.bearer("garbage").get(&ann.path()).await.problem(401);
    for api in [&stack.users, &stack.offers] {
        for token in ["garbage", &ann.refresh] {
            let api = api.bearer(token);
            let body = json!({ "query": "{ __typename }" });
            let answer = api.post("/graphql", body).await.expect(401);
            assert!(answer.headers.contains_key("www-authenticate"), "{answer:?}");
            let body = answer.parse();
            let code = match body.get("errors") {
                Some(errors) => &errors[0]["extensions"]["code"],
                None => &body["code"],
            };
            assert_eq!(code, &json!(rest.code), "{body}");
        }
    }
}
