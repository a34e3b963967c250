//! `GET /user/{user_id}/` and `GET /user/{username}/`.

use reqwest::{Method, header};
use serde_json::json;

use crate::support::client::send;
use crate::support::fixtures::{OFFER_KEYS, email_of, pluck, registration_with, sorted_keys};
use crate::support::services::Topology;

on_every_topology!(
    returns_a_user_with_offers,
    finds_a_user_by_encoded_username,
    digits_are_an_id_not_a_username,
    unknown_user_returns_404,
    head_has_no_body,
    rejects_other_methods,
);

async fn returns_a_user_with_offers(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    for (user, title) in [(&ann, "first"), (&bob, "other"), (&ann, "second"), (&ann, "third")] {
        services.create_offer(user, title).await;
    }
    let user = services.users.get_user(ann.id).await.expect(200).json();
    assert_eq!(sorted_keys(&user), ["created_at", "email", "id", "offers", "username"]);
    assert_eq!(user["id"], ann.id);
    assert_eq!(user["username"], "ann");
    assert_eq!(user["email"], email_of("ann"));
    assert_eq!(pluck(&user["offers"], "title"), ["first", "second", "third"]);
    for offer in user["offers"].as_array().unwrap() {
        assert_eq!(sorted_keys(offer), OFFER_KEYS);
        assert_eq!(offer["user_id"], ann.id);
        assert_eq!(&services.offers.find_offer(&offer["id"]).await.json(), offer);
    }
    services.register("carl").await;
    let user = services.users.get_user("carl").await.expect(200).json();
    assert_eq!(user["offers"], json!([]));
}

async fn finds_a_user_by_encoded_username(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("Ёж/и?к").await;
    for segment in ["%D0%81%D0%B6%2F%D0%B8%3F%D0%BA", "%D1%91%D0%B6%2F%D0%B8%3F%D0%9A"] {
        let found = services.users.get_user(segment).await;
        assert_eq!(found.expect(200).json()["id"], user["id"]);
    }
}

async fn digits_are_an_id_not_a_username(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("1st").await;
    assert_ne!(user["id"], 1000);
    services.users.get_user("1st").await.expect(200);
    // A segment of digits is an id, so no username of digits is found.
    let body = registration_with("digits", "username", "1000");
    let registered = services.users.post_registration(body).await;
    assert!(matches!(registered.status, 201 | 422), "{registered:?}");
    services.users.get_user("1000").await.problem(404);
}

async fn unknown_user_returns_404(topology: Topology) {
    let services = topology.start_open().await;
    for segment in [
        "1",
        "0",
        "nobody",
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999999",
        "%20",
        "%25",
    ] {
        let problem = services.users.get_user(segment).await.problem(404);
        assert_eq!(problem.code, "NOT_FOUND");
    }
}

async fn head_has_no_body(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    let response = send(services.users.request(Method::HEAD, "/user/ann/")).await.expect(200);
    assert_eq!(response.media_type(), Some("application/json"));
    assert!(response.body.is_empty());
    send(services.users.request(Method::HEAD, "/user/nobody/")).await.expect(404);
}

async fn rejects_other_methods(topology: Topology) {
    let services = topology.start_open().await;
    for method in [Method::POST, Method::PUT] {
        let response = send(services.users.request(method, "/user/ann/")).await;
        response.problem(405);
        let allow = response.header(header::ALLOW).unwrap();
        let mut methods: Vec<_> = allow.split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods, ["DELETE", "GET", "HEAD", "PATCH"]);
    }
}
