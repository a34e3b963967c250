//! Valid and invalid usernames, emails and passwords, at both ends of each limit.

use serde_json::json;

use crate::support::fixtures::registration_with;
use crate::support::services::{Services, Topology};

on_every_topology!(
    validates_usernames,
    rejects_usernames_on_every_way,
    validates_emails,
    validates_passwords,
    unusual_characters_are_not_5xx,
);

/// Returns the status of a registration with one field changed. Asserts that an error points at the
/// field.
async fn register_with(services: &Services, number: usize, field: &str, value: &str) -> u16 {
    let body = registration_with(&format!("user-{number}"), field, value);
    let response = services.users.post_registration(body).await;
    match response.status {
        201 => assert!(field == "password" || response.json()[field] == value),
        _ => response.problem(422).assert_pointers(&[&format!("/{field}")]),
    }
    response.status
}

async fn assert_valid_and_invalid(
    services: &Services,
    field: &str,
    valid: &[&str],
    invalid: &[&str],
) {
    for (number, value) in valid.iter().enumerate() {
        let status = register_with(services, number, field, value).await;
        assert_eq!(status, 201, "{field} {value:?}");
    }
    for (number, value) in invalid.iter().enumerate() {
        let status = register_with(services, 100 + number, field, value).await;
        assert_eq!(status, 422, "{field} {value:?}");
    }
}

async fn validates_usernames(topology: Topology) {
    let services = topology.start_open().await;
    let longest = "𝒳".repeat(64);
    let too_long = "x".repeat(65);
    let valid = ["a", "名", "o'brien;--", "A+b@c/d%2F", "%_", "🦊", &longest];
    let invalid = [
        "",
        " ",
        "a b",
        " a",
        "a ",
        "a\tb",
        "a\nb",
        "a\u{a0}b",
        "a\u{2028}b",
        "a\u{7f}b",
        "a\u{85}",
        // Invisible, bidirectional, private and unassigned characters.
        "adm\u{200b}in",
        "adm\u{ad}in",
        "\u{3164}",
        "\u{202e}nimda",
        "\u{e000}",
        "a\u{378}",
        // Paths that are an id, another route or none.
        "123",
        "１２３",
        ".",
        "..",
        "auth",
        "Registry",
        "REFRESH",
        "logout",
        "ｐａｓｓｗｏｒｄ",
        &too_long,
    ];
    assert_valid_and_invalid(&services, "username", &valid, &invalid).await;
}

/// By REST under the name that the body used, and by GraphQL, in new and in changed usernames.
async fn rejects_usernames_on_every_way(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register("ann").await["id"].to_string();
    for name in ["adm\u{200b}in", "42", "..", "auth"] {
        for field in ["username", "login"] {
            let body = json!({ field: name, "password": "p" });
            let problem = services.users.post_user(body).await.problem(422);
            problem.assert_pointers(&[&format!("/{field}")]);
        }
        let response = services.users.patch_user("ann", json!({ "username": name })).await;
        response.problem(422).assert_pointers(&["/username"]);
        let register = "mutation($name: String!) {
            register(input: { username: $name, password: \"p\" }) { id }
        }";
        let update = "mutation($name: String!, $id: ID!) {
            updateUser(id: $id, input: { username: $name }) { id }
        }";
        for (mutation, variables) in
            [(register, json!({ "name": name })), (update, json!({ "name": name, "id": ann }))]
        {
            let response = services.users.graphql(mutation, variables).await;
            assert_eq!(response.code(), "INVALID_INPUT", "{name:?}");
        }
    }
}

async fn validates_emails(topology: Topology) {
    let services = topology.start_open().await;
    let label = "d".repeat(63);
    let longest = format!("{}@{label}.{label}.{label}", "a".repeat(254 - 3 * 64));
    assert_eq!(longest.len(), 254);
    let too_long = format!("a{longest}");
    let long_label = format!("a@{label}d.org");
    let valid = ["a@b", "a.b+c@example.org", ".a..b.@x-y.z", "!#$%&'*+/=?^_`{|}~-@1.2", &longest];
    let invalid = [
        "",
        "a",
        "@b",
        "a@",
        "a@b@c",
        "a b@c",
        "a@b c",
        "a@-b",
        "a@b-",
        "a@b..c",
        "a@b.",
        "a@.b",
        "a@b_c",
        "é@b",
        "a@é",
        "a,b@c",
        "a@b\n",
        " a@b",
        &long_label,
        &too_long,
    ];
    assert_valid_and_invalid(&services, "email", &valid, &invalid).await;
}

async fn validates_passwords(topology: Topology) {
    let services = topology.start_open().await;
    let longest = "p".repeat(1024);
    let too_long = "p".repeat(1025);
    // The limit is in bytes: these are 1026.
    let too_many_bytes = "€".repeat(342);
    let valid = ["p", " ", "пароль", "\u{0}", &longest];
    assert_valid_and_invalid(&services, "password", &valid, &["", &too_long, &too_many_bytes])
        .await;

    for (number, password) in valid.iter().enumerate() {
        let name = format!("user-{number}");
        services.users.post_login(name, password).await.expect(200);
    }
    services.users.post_login("user-4", too_long).await.problem(401);
}

/// `PostgreSQL` can't store NUL in a text; the response must not be a 5xx.
async fn unusual_characters_are_not_5xx(topology: Topology) {
    let services = topology.start_open().await;
    services.users.post_login("a\u{0}b", "p").await.problem(401);
    services.users.get_user("a%00b").await.problem(404);
    let response = services.users.get_user("%FF%FE").await;
    assert!(matches!(response.status, 400 | 404), "{response:?}");
    response.problem(response.status);
    for path in ["/user/?after=%00", "/user/1/?offers_after=%00"] {
        let response = services.users.get(path).await;
        assert!(matches!(response.status, 404 | 422), "{response:?}");
        response.problem(response.status);
    }
}
