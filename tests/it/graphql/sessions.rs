//! Sessions over GraphQL.

use serde_json::{Value, json};

use crate::support::fixtures::password_of;
use crate::support::services::Topology;

on_every_topology!(
    logs_in_and_out,
    error_codes_match_rest,
    changes_a_password,
    invalid_token_is_401,
);

const LOG_IN: &str = "mutation($input: AuthenticateInput!) {
    authenticate(input: $input) { userId accessToken refreshToken tokenType expiresIn } }";
const REFRESH: &str = "mutation($token: String!) {
    refresh(refreshToken: $token) { userId accessToken refreshToken } }";
const CHANGE: &str = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) }";

async fn logs_in_and_out(topology: Topology) {
    let services = topology.start_open().await;
    let id = services.register("ann").await["id"].to_string();
    let login = json!({ "username": "ann", "password": password_of("ann") });
    let data = services.users.graphql(LOG_IN, json!({ "input": login })).await.data();
    let session = &data["authenticate"];
    assert_eq!(session["userId"], id.as_str());
    assert_eq!(session["tokenType"], "Bearer");
    assert_eq!(session["expiresIn"], 600);

    let as_ann = services.users.bearer(session["accessToken"].as_str().unwrap());
    let data = as_ann.query("{ me { id username } }").await;
    assert_eq!(data["me"], json!({ "id": id, "username": "ann" }));

    let variables = json!({ "token": session["refreshToken"] });
    let data = services.users.graphql(REFRESH, variables).await.data();
    let session = &data["refresh"];
    assert_eq!(session["userId"], id.as_str());

    let variables = json!({ "token": session["refreshToken"] });
    let log_out = "mutation($token: String!) { logout(refreshToken: $token) }";
    for _ in 0..2 {
        let data = services.users.graphql(log_out, variables.clone()).await.data();
        assert_eq!(data, json!({ "logout": true }));
    }
    let graphql = services.users.graphql(REFRESH, variables).await;
    assert_eq!(graphql.body["data"], Value::Null);
    assert_eq!(graphql.body["errors"].as_array().unwrap().len(), 1);
}

async fn error_codes_match_rest(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    let rest = services.users.post_login("ann", "wrong").await.problem(401);
    let login = json!({ "username": "ann", "password": "wrong" });
    let graphql = services.users.graphql(LOG_IN, json!({ "input": login })).await;
    assert_eq!(graphql.code(), rest.code);
    let rest = services.users.post_refresh("garbage").await.problem(401);
    let graphql = services.users.graphql(REFRESH, json!({ "token": "garbage" })).await;
    assert_eq!(graphql.code(), rest.code);
    let rest = services.users.post_password("old one", "new one").await.problem(401);
    let input = json!({ "oldPassword": "old one", "newPassword": "new one" });
    let graphql = services.users.graphql(CHANGE, json!({ "input": input })).await;
    assert_eq!(graphql.code(), rest.code);
}

async fn changes_a_password(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let input = json!({ "oldPassword": ann.password, "newPassword": "a wholly new one" });
    let as_ann = services.users.bearer(&ann.access_token);
    let data = as_ann.graphql(CHANGE, json!({ "input": input })).await.data();
    assert_eq!(data, json!({ "changePassword": true }));
    let login = json!({ "username": "ann", "password": "a wholly new one" });
    services.users.graphql(LOG_IN, json!({ "input": login })).await.data();
}

async fn invalid_token_is_401(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let rest = services.users.bearer("garbage").get_user(ann.id).await.problem(401);
    for api in services.both() {
        for token in ["garbage", &ann.refresh_token] {
            let api = api.bearer(token);
            let body = json!({ "query": "{ __typename }" });
            let response = api.post("/graphql", body).await.expect(401);
            assert!(response.headers.contains_key("www-authenticate"), "{response:?}");
            let body = response.parse();
            let code = match body.get("errors") {
                Some(errors) => &errors[0]["extensions"]["code"],
                None => &body["code"],
            };
            assert_eq!(code, &json!(rest.code), "{body}");
        }
    }
}
