//! Many clients at the same moment.

use std::collections::BTreeSet;

use entity::{offer, refresh_token};
use futures_util::future::join_all;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::support::client::{Answer, Api};
use crate::support::fixtures::{email_of, password_of, registration, text};
use crate::support::services::Layout;

on_every_stack!(
    sixteen_registrations_of_one_name,
    sixteen_registrations_of_one_email,
    twenty_refreshes_of_one_token,
    refresh_against_logout,
    offers_against_the_deletion_of_their_user,
    a_hundred_new_offers_get_an_answer_each,
);

/// Sends all at once, each over its own connection.
async fn at_once(api: &Api, path: &str, bodies: Vec<Value>) -> Vec<Answer> {
    let sent = bodies.into_iter().map(|body| {
        let (api, path) = (api.clone(), path.to_owned());
        tokio::spawn(async move { api.post(&path, body).await })
    });
    join_all(sent).await.into_iter().map(Result::unwrap).collect()
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses
}

async fn sixteen_registrations_of_one_name(layout: Layout) {
    let stack = layout.spec().await;
    let bodies = (0..16).map(|number| {
        let mut body = registration(if number % 2 == 0 { "ann" } else { "ANN" });
        body["email"] = json!(email_of(&number.to_string()));
        body
    });
    let answers = at_once(&stack.users, "/user/registry/", bodies.collect()).await;
    let mut expected = vec![201];
    expected.extend([409; 15]);
    assert_eq!(statuses(&answers), expected);
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        assert_eq!(answer.problem(409).code, "USERNAME_TAKEN");
    }
}

async fn sixteen_registrations_of_one_email(layout: Layout) {
    let stack = layout.spec().await;
    let bodies = (0..16).map(|number| {
        let mut body = registration(&format!("user{number}"));
        body["email"] = json!(if number % 2 == 0 { "a@example.org" } else { "A@EXAMPLE.ORG" });
        body
    });
    let answers = at_once(&stack.users, "/user/registry/", bodies.collect()).await;
    let mut expected = vec![201];
    expected.extend([409; 15]);
    assert_eq!(statuses(&answers), expected);
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        assert_eq!(answer.problem(409).code, "EMAIL_TAKEN");
    }
}

async fn twenty_refreshes_of_one_token(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let body = json!({ "refresh_token": ann.refresh });
    let answers = at_once(&stack.users, "/user/refresh/", vec![body; 20]).await;
    assert_eq!(statuses(&answers), [200; 20]);
    let successors: BTreeSet<_> =
        answers.iter().map(|answer| text(&answer.json(), "refresh_token")).collect();
    assert_eq!(successors.len(), 1, "one line goes on");

    let rows = stack.database.connect().await;
    assert_eq!(refresh_token::Entity::find().count(&rows).await.unwrap(), 1);
    let body = json!({ "refresh_token": successors.first() });
    stack.users.post("/user/refresh/", body).await.expect(200);
}

/// Whoever is first, the session is over in the end.
async fn refresh_against_logout(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let body = json!({ "refresh_token": ann.refresh });
    let (refreshed, logged_out) = tokio::join!(
        at_once(&stack.users, "/user/refresh/", vec![body.clone(); 5]),
        at_once(&stack.users, "/user/logout/", vec![body.clone(); 5]),
    );
    assert_eq!(statuses(&logged_out), [204; 5]);
    for answer in refreshed {
        match answer.status {
            200 => {
                let body = json!({ "refresh_token": answer.json()["refresh_token"] });
                stack.users.post("/user/refresh/", body).await.problem(401);
            }
            _ => drop(answer.problem(401)),
        }
    }
    stack.users.post("/user/refresh/", body).await.problem(401);
}

async fn offers_against_the_deletion_of_their_user(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    let path = ann.path();
    let (created, deleted) = tokio::join!(
        at_once(&stack.offers, "/offer/create/", vec![body; 20]),
        stack.users.delete(&path),
    );
    deleted.expect(204);
    for answer in created {
        if answer.status != 201 {
            assert_eq!(answer.problem(422).code, "USER_NOT_FOUND");
        }
    }
    let rows = stack.database.connect().await;
    assert_eq!(offer::Entity::find().count(&rows).await.unwrap(), 0);
    let login = json!({ "username": "ann", "password": password_of("ann") });
    stack.users.post("/user/auth/", login).await.problem(401);
}

/// They are written together, also those that say the same and those of nobody.
async fn a_hundred_new_offers_get_an_answer_each(layout: Layout) {
    let stack = layout.spec().await;
    let (ann, bob) = (stack.member("ann").await, stack.member("bob").await);
    for nobody in [false, true] {
        let body = |number: i64| {
            let user_id = match number % 4 {
                0 if nobody => 99_999,
                0 | 1 => bob.id,
                _ => ann.id,
            };
            json!({ "user_id": user_id, "title": format!("chair {}", number % 5), "text": "old" })
        };
        let bodies: Vec<_> = (0..100).map(body).collect();
        let answers = at_once(&stack.offers, "/offer/create/", bodies.clone()).await;
        let mut ids = BTreeSet::new();
        for (body, answer) in bodies.iter().zip(&answers) {
            if body["user_id"] == 99_999 {
                assert_eq!(answer.problem(422).code, "USER_NOT_FOUND");
                continue;
            }
            assert_eq!(answer.status, 201, "{}", answer.text());
            let offer = answer.json();
            for field in ["user_id", "title", "text"] {
                assert_eq!(offer[field], body[field]);
            }
            assert!(ids.insert(offer["id"].as_i64().unwrap()), "an offer is answered twice");
        }
        assert_eq!(ids.len(), if nobody { 75 } else { 100 });
    }
    let database = stack.database.connect().await;
    assert_eq!(offer::Entity::find().count(&database).await, Ok(175));
}
