//! `PATCH /user/{user_id or username}/`.

use serde_json::json;

use crate::support::fixtures::{fields, password_of};
use crate::support::services::Layout;

on_every_stack!(
    changes_a_user,
    changes_the_case_of_a_name,
    nobody_is_404,
    refuses_what_is_taken,
    names_wrong_fields,
);

async fn changes_a_user(layout: Layout) {
    let stack = layout.spec().await;
    let user = stack.register("ann").await;
    let id = &user["id"];
    let by_id = format!("/user/{id}/");

    let body = json!({ "username": "anna" });
    let changed = stack.users.patch(&by_id, body).await.expect(200).json();
    assert_eq!(fields(&changed), ["created_at", "email", "id", "username"]);
    assert_eq!(changed["username"], "anna");
    assert_eq!(changed["email"], user["email"]);
    assert_eq!(changed["created_at"], user["created_at"]);

    let body = json!({ "email": "anna@example.net" });
    let changed = stack.users.patch("/user/Anna/", body).await.expect(200).json();
    assert_eq!(&changed["id"], id);
    assert_eq!(changed["email"], "anna@example.net");

    let unchanged = stack.users.patch(&by_id, json!({})).await.expect(200).json();
    assert_eq!(unchanged, changed);

    stack.users.get("/user/ann/").await.problem(404);
    let login = json!({ "username": "anna", "password": password_of("ann") });
    stack.users.post("/user/auth/", login).await.expect(200);
    // The old name and email are free again.
    stack.register("ann").await;
}

async fn changes_the_case_of_a_name(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ёжик").await;
    let body = json!({ "username": "ЁЖИК" });
    let path = "/user/%D1%91%D0%B6%D0%B8%D0%BA/";
    let changed = stack.users.patch(path, body).await.expect(200).json();
    assert_eq!(changed["username"], "ЁЖИК");
}

async fn nobody_is_404(layout: Layout) {
    let stack = layout.spec().await;
    for path in ["/user/1/", "/user/nobody/", "/user/99999999999999999999/"] {
        let body = json!({ "username": "ann" });
        let problem = stack.users.patch(path, body).await.problem(404);
        assert_eq!(problem.code, "NOT_FOUND");
    }
}

async fn refuses_what_is_taken(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    stack.register("bob").await;
    let body = json!({ "username": "ANN" });
    let problem = stack.users.patch("/user/bob/", body).await.problem(409);
    assert_eq!(problem.code, "USERNAME_TAKEN");
    let body = json!({ "username": "robert", "email": "Ann@Example.org" });
    let problem = stack.users.patch("/user/bob/", body).await.problem(409);
    assert_eq!(problem.code, "EMAIL_TAKEN");
    // A refused change is refused whole.
    stack.users.get("/user/bob/").await.expect(200);
    stack.users.get("/user/robert/").await.problem(404);
}

async fn names_wrong_fields(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    for (body, pointer) in [
        (json!({ "username": "" }), "/username"),
        (json!({ "username": "a b" }), "/username"),
        (json!({ "username": 5 }), "/username"),
        (json!({ "username": null }), "/username"),
        (json!({ "email": "nobody" }), "/email"),
        (json!({ "email": {} }), "/email"),
    ] {
        let problem = stack.users.patch("/user/ann/", body).await.problem(422);
        problem.points_at(&[pointer]);
    }
}
