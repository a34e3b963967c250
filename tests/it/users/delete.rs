//! `DELETE /user/{user_id or username}/`.

use serde_json::json;

use crate::support::services::Layout;

on_every_stack!(takes_a_user_away, nobody_is_404);

async fn takes_a_user_away(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let bob = stack.member("bob").await;
    let offer = stack.offer(&ann, "chair").await;

    let answer = stack.users.delete(&ann.path()).await.expect(204);
    assert!(answer.body.is_empty(), "{answer:?}");
    stack.users.get(&ann.path()).await.problem(404);
    let body = json!({ "offer_id": offer["id"] });
    assert_eq!(stack.offers.post("/offer/", body).await.json(), json!([]));
    let body = json!({ "refresh_token": ann.refresh });
    stack.users.post("/user/refresh/", body).await.problem(401);

    let answer = stack.users.delete("/user/BOB/").await.expect(204);
    assert!(answer.body.is_empty(), "{answer:?}");
    stack.users.get(&bob.path()).await.problem(404);
    assert_eq!(stack.users.get("/user/").await.json(), json!([]));
    // The name is free again, and the newcomer is somebody else.
    let again = stack.register("ann").await;
    assert_ne!(again["id"], ann.id);
}

async fn nobody_is_404(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    stack.users.delete("/user/ann/").await.expect(204);
    for path in ["/user/ann/", "/user/1/", "/user/99999999999999999999/"] {
        let problem = stack.users.delete(path).await.problem(404);
        assert_eq!(problem.code, "NOT_FOUND");
    }
}
