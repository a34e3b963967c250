//! Concurrent requests.

use std::collections::BTreeSet;

use entity::{offer, refresh_token};
use futures_util::future::join_all;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::support::client::{ApiClient, HttpResponse};
use crate::support::fixtures::{email_of, password_of, registration_with, string_field};
use crate::support::services::Topology;

on_every_topology!(
    one_of_concurrent_registrations_gets_the_name,
    one_of_concurrent_registrations_gets_the_email,
    concurrent_refreshes_return_the_same_token,
    logout_wins_over_concurrent_refresh,
    deleted_user_keeps_no_concurrent_offers,
    concurrent_offers_each_get_their_own_response,
);

/// Posts all bodies at once, each over its own connection.
async fn post_concurrently(api: &ApiClient, path: &str, bodies: Vec<Value>) -> Vec<HttpResponse> {
    let sent = bodies.into_iter().map(|body| {
        let (api, path) = (api.clone(), path.to_owned());
        tokio::spawn(async move { api.post(&path, body).await })
    });
    join_all(sent).await.into_iter().map(Result::unwrap).collect()
}

fn statuses(responses: &[HttpResponse]) -> Vec<u16> {
    let mut statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
    statuses.sort_unstable();
    statuses
}

async fn one_of_concurrent_registrations_gets_the_name(topology: Topology) {
    let services = topology.start_open().await;
    let bodies = (0..16).map(|number| {
        let name = if number % 2 == 0 { "ann" } else { "ANN" };
        registration_with(name, "email", email_of(&number.to_string()))
    });
    let responses = post_concurrently(&services.users, "/user/registry/", bodies.collect()).await;
    let mut expected = vec![201];
    expected.extend([409; 15]);
    assert_eq!(statuses(&responses), expected);
    for response in responses.iter().filter(|response| response.status == 409) {
        assert_eq!(response.problem(409).code, "USERNAME_TAKEN");
    }
}

async fn one_of_concurrent_registrations_gets_the_email(topology: Topology) {
    let services = topology.start_open().await;
    let bodies = (0..16).map(|number| {
        let email = if number % 2 == 0 { "a@example.org" } else { "A@EXAMPLE.ORG" };
        registration_with(&format!("user{number}"), "email", email)
    });
    let responses = post_concurrently(&services.users, "/user/registry/", bodies.collect()).await;
    let mut expected = vec![201];
    expected.extend([409; 15]);
    assert_eq!(statuses(&responses), expected);
    for response in responses.iter().filter(|response| response.status == 409) {
        assert_eq!(response.problem(409).code, "EMAIL_TAKEN");
    }
}

async fn concurrent_refreshes_return_the_same_token(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let body = json!({ "refresh_token": ann.refresh_token });
    let responses = post_concurrently(&services.users, "/user/refresh/", vec![body; 20]).await;
    assert_eq!(statuses(&responses), [200; 20]);
    let successors: BTreeSet<_> =
        responses.iter().map(|response| string_field(&response.json(), "refresh_token")).collect();
    assert_eq!(successors.len(), 1, "all get the same successor");

    let rows = services.database.connect().await;
    assert_eq!(refresh_token::Entity::find().count(&rows).await.unwrap(), 1);
    services.users.post_refresh(successors.first()).await.expect(200);
}

/// Whichever request is first, the session ends.
async fn logout_wins_over_concurrent_refresh(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let body = json!({ "refresh_token": ann.refresh_token });
    let (refreshed, logged_out) = tokio::join!(
        post_concurrently(&services.users, "/user/refresh/", vec![body.clone(); 5]),
        post_concurrently(&services.users, "/user/logout/", vec![body; 5]),
    );
    assert_eq!(statuses(&logged_out), [204; 5]);
    for response in refreshed {
        match response.status {
            200 => {
                services.users.post_refresh(&response.json()["refresh_token"]).await.problem(401);
            }
            _ => drop(response.problem(401)),
        }
    }
    services.users.post_refresh(&ann.refresh_token).await.problem(401);
}

async fn deleted_user_keeps_no_concurrent_offers(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    let (created, deleted) = tokio::join!(
        post_concurrently(&services.offers, "/offer/create/", vec![body; 20]),
        services.users.delete_user(ann.id),
    );
    deleted.expect(204);
    for response in created {
        if response.status != 201 {
            assert_eq!(response.problem(422).code, "USER_NOT_FOUND");
        }
    }
    let rows = services.database.connect().await;
    assert_eq!(offer::Entity::find().count(&rows).await.unwrap(), 0);
    services.users.post_login("ann", password_of("ann")).await.problem(401);
}

/// Offers are inserted in batches, also those with the same content and those of unknown users.
async fn concurrent_offers_each_get_their_own_response(topology: Topology) {
    let services = topology.start_open().await;
    let (ann, bob) =
        (services.register_and_log_in("ann").await, services.register_and_log_in("bob").await);
    for with_unknown_user in [false, true] {
        let body = |number: i64| {
            let user_id = match number % 4 {
                0 if with_unknown_user => 99_999,
                0 | 1 => bob.id,
                _ => ann.id,
            };
            json!({ "user_id": user_id, "title": format!("chair {}", number % 5), "text": "old" })
        };
        let bodies: Vec<_> = (0..100).map(body).collect();
        let responses = post_concurrently(&services.offers, "/offer/create/", bodies.clone()).await;
        let mut ids = BTreeSet::new();
        for (body, response) in bodies.iter().zip(&responses) {
            if body["user_id"] == 99_999 {
                assert_eq!(response.problem(422).code, "USER_NOT_FOUND");
                continue;
            }
            assert_eq!(response.status, 201, "{}", response.text());
            let offer = response.json();
            for field in ["user_id", "title", "text"] {
                assert_eq!(offer[field], body[field]);
            }
            assert!(ids.insert(offer["id"].as_i64().unwrap()), "two responses have the same offer");
        }
        assert_eq!(ids.len(), if with_unknown_user { 75 } else { 100 });
    }
    let database = services.database.connect().await;
    assert_eq!(offer::Entity::find().count(&database).await, Ok(175));
}
