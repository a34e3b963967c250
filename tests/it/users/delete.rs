//! `DELETE /user/{user_id or username}/`.

use serde_json::json;

use crate::support::services::Topology;

on_every_topology!(deletes_a_user, unknown_user_returns_404);

async fn deletes_a_user(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    let offer = services.create_offer(&ann, "chair").await;

    let response = services.users.delete_user(ann.id).await.expect(204);
    assert!(response.body.is_empty(), "{response:?}");
    services.users.get_user(ann.id).await.problem(404);
    assert_eq!(services.offers.find_offer(&offer["id"]).await.json(), json!([]));
    services.users.post_refresh(&ann.refresh_token).await.problem(401);

    let response = services.users.delete_user("BOB").await.expect(204);
    assert!(response.body.is_empty(), "{response:?}");
    services.users.get_user(bob.id).await.problem(404);
    assert_eq!(services.users.get_users().await.json(), json!([]));
    // The username is available again, for a user with another id.
    let again = services.register("ann").await;
    assert_ne!(again["id"], ann.id);
}

async fn unknown_user_returns_404(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    services.users.delete_user("ann").await.expect(204);
    for user in ["ann", "1", "99999999999999999999"] {
        let problem = services.users.delete_user(user).await.problem(404);
        assert_eq!(problem.code, "NOT_FOUND");
    }
}
