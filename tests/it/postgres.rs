//! Errors that only `PostgreSQL` has.

use entity::{offer, user};
use futures_util::future::join_all;
use sea_orm::sea_query::{ColumnDef, Table};
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use serde_json::json;

use crate::support::client::send;
use crate::support::services::Topology;

on_postgres!(changed_table_fails_few_requests, conflicts_are_tried_again);

/// The plans that connections keep of the tables do not fit any more.
async fn changed_table_fails_few_requests(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    // The statuses of requests, one after another, that are no success.
    let failures = async || {
        let mut failures = Vec::new();
        for _ in 0..50 {
            for response in [
                services.offers.create_offer(ann.id, "chair", "old").await,
                services.users.get_users().await,
                services.users.get_user("ann").await,
            ] {
                failures.extend(Some(response.status).filter(|status| *status >= 300));
            }
        }
        failures
    };
    assert_eq!(failures().await, [0; 0]);
    let rows = services.database.connect().await;
    let title = ColumnDef::new(offer::Column::Title).string_len(500).to_owned();
    let name = ColumnDef::new(user::Column::Username).string_len(500).to_owned();
    for alter in [
        Table::alter().table(offer::Entity).modify_column(title).to_owned(),
        Table::alter().table(user::Entity).modify_column(name).to_owned(),
    ] {
        rows.execute(&alter).await.unwrap();
    }
    let failed = failures().await;
    assert!(failed.len() <= 2 && failed.iter().all(|status| *status == 503), "{failed:?}");
    assert_eq!(failures().await, [0; 0]);
}

/// Other engines that speak the protocol report conflicts at any level of isolation.
async fn conflicts_are_tried_again(topology: Topology) {
    let isolation = "-c default_transaction_isolation=serializable";
    let services = topology.set("PGOPTIONS", isolation).start().await;
    let ann = services.register_and_log_in("ann").await;
    let refresh = || services.users.post_refresh(&ann.refresh_token);
    for response in join_all((0..10).map(|_| refresh())).await {
        response.expect(200);
    }
    let rename =
        |number| services.users.patch_user(ann.id, json!({ "username": format!("a{number}") }));
    for response in join_all((0..4).map(rename)).await {
        response.expect(200);
    }
    let chair = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    let create = || {
        let request = services.offers.request(reqwest::Method::POST, "/offer/create/");
        send(request.header("Idempotency-Key", "k-1").json(&chair))
    };
    for response in join_all((0..4).map(|_| create())).await {
        response.expect(201);
    }
    let rows = services.database.connect().await;
    assert_eq!(offer::Entity::find().count(&rows).await, Ok(1));
}
