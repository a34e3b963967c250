//! What a username, an email and a password may be, at both ends of each limit.

use serde_json::json;

use crate::support::fixtures::registration;
use crate::support::services::{Layout, Stack};

on_every_stack!(usernames, emails, passwords, odd_characters_are_no_server_error,);

/// The status of a registration with one field changed, and that a refusal names the field.
async fn register_with(stack: &Stack, number: usize, field: &str, value: &str) -> u16 {
    let mut body = registration(&format!("user-{number}"));
    body[field] = json!(value);
    let answer = stack.users.post("/user/registry/", body).await;
    match answer.status {
        201 => assert!(field == "password" || answer.json()[field] == value),
        _ => answer.problem(422).points_at(&[&format!("/{field}")]),
    }
    answer.status
}

async fn check(stack: &Stack, field: &str, good: &[&str], bad: &[&str]) {
    for (number, value) in good.iter().enumerate() {
        let status = register_with(stack, number, field, value).await;
        assert_eq!(status, 201, "{field} {value:?}");
    }
    for (number, value) in bad.iter().enumerate() {
        let status = register_with(stack, 100 + number, field, value).await;
        assert_eq!(status, 422, "{field} {value:?}");
    }
}

async fn usernames(layout: Layout) {
    let stack = layout.spec().await;
    let longest = "𝒳".repeat(64);
    let too_long = "x".repeat(65);
    let good = ["a", "名", "o'brien;--", "A+b@c/d%2F", "%_", "🦊", &longest];
    let bad = [
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
        &too_long,
    ];
    check(&stack, "username", &good, &bad).await;
}

async fn emails(layout: Layout) {
    let stack = layout.spec().await;
    let label = "d".repeat(63);
    let longest = format!("{}@{label}.{label}.{label}", "a".repeat(254 - 3 * 64));
    assert_eq!(longest.len(), 254);
    let too_long = format!("a{longest}");
    let long_label = format!("a@{label}d.org");
    let good = ["a@b", "a.b+c@example.org", ".a..b.@x-y.z", "!#$%&'*+/=?^_`{|}~-@1.2", &longest];
    let bad = [
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
    check(&stack, "email", &good, &bad).await;
}

async fn passwords(layout: Layout) {
    let stack = layout.spec().await;
    let longest = "p".repeat(1024);
    let too_long = "p".repeat(1025);
    // The limit counts bytes: these are 1026 of them.
    let too_many_bytes = "€".repeat(342);
    let good = ["p", " ", "пароль", "\u{0}", &longest];
    check(&stack, "password", &good, &["", &too_long, &too_many_bytes]).await;

    for (number, password) in good.iter().enumerate() {
        let body = json!({ "username": format!("user-{number}"), "password": password });
        stack.users.post("/user/auth/", body).await.expect(200);
    }
    let body = json!({ "username": "user-4", "password": too_long });
    stack.users.post("/user/auth/", body).await.problem(401);
}

/// `PostgreSQL` can't keep a NUL in a text, which must not come out as a failure of ours.
async fn odd_characters_are_no_server_error(layout: Layout) {
    let stack = layout.spec().await;
    let body = json!({ "username": "a\u{0}b", "password": "p" });
    stack.users.post("/user/auth/", body).await.problem(401);
    stack.users.get("/user/a%00b/").await.problem(404);
    let answer = stack.users.get("/user/%FF%FE/").await;
    assert!(matches!(answer.status, 400 | 404), "{answer:?}");
    answer.problem(answer.status);
    for path in ["/user/?after=%00", "/user/1/?offers_after=%00"] {
        let answer = stack.users.get(path).await;
        assert!(matches!(answer.status, 404 | 422), "{answer:?}");
        answer.problem(answer.status);
    }
}
