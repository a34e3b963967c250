//! Reads of lists on a hot standby.

use entity::offer;
use sea_orm::sea_query::{Func, Query};
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait};
use serde_json::json;

use crate::support::client::ApiClient;
use crate::support::fixtures::{TestUser, pluck};
use crate::support::metrics::counter;
use crate::support::services::{Services, Topology};
use crate::support::standby::Standby;
use crate::support::tcp_proxy::{Target, TcpProxy};
use crate::support::wait;

on_postgres!(lists_are_read_from_a_standby_while_it_is_good);

async fn reads_of(api: &ApiClient, place: &str) -> u64 {
    counter(api, "db_reads_total", |labels| labels.contains(place)).await
}

async fn reads_on_standby(services: &Services) -> u64 {
    reads_of(&services.users, "standby").await + reads_of(&services.offers, "standby").await
}

/// Asserts that every list has the offer of `ann` whose title is `title`, or that there is none.
async fn assert_in_lists(services: &Services, ann: &TestUser, title: &str) {
    let own = services.offers.find_offers_of(ann.id).await.expect(200).json();
    let federated = services.users.get_user(ann.id).await.expect(200).json();
    for offers in [&own, &federated["offers"]] {
        assert_eq!(pluck(offers, "title").last(), Some(&json!(title)));
    }
    let users = services.users.get_users().await.expect(200).json();
    assert!(pluck(&users, "id").contains(&json!(ann.id)), "{users}");
}

/// Waits until both services use the standby, or until both do not.
async fn wait_until_used(services: &Services, is_used: bool) {
    for api in services.both() {
        wait::until_true("the services have noticed the standby", async || {
            counter(api, "db_standby_in_use", |_| true).await == u64::from(is_used)
        })
        .await;
    }
}

/// Waits until a list of each service is read from the standby.
async fn wait_until_standby_reads(services: &Services, ann: &TestUser) {
    for api in services.both() {
        let before = reads_of(api, "standby").await;
        wait::until_true("the standby serves lists", async || {
            services.users.get_users().await.expect(200);
            services.offers.find_offers_of(ann.id).await.expect(200);
            reads_of(api, "standby").await > before
        })
        .await;
    }
}

async fn call_on(server: &DatabaseConnection, function: &'static str) {
    let mut select = Query::select();
    select.expr(Func::cust(function));
    server.query_all(&select).await.unwrap();
}

async fn lists_are_read_from_a_standby_while_it_is_good(topology: Topology) {
    let standby = Standby::start().await;
    let mut proxy = TcpProxy::bind();
    proxy.connect(Target::Unix(standby.socket()));
    let services = topology.builder().read_from(proxy.address()).start().await;
    let ann = services.register_and_log_in("ann").await;
    let chair = services.create_offer(&ann, "chair").await;
    assert_in_lists(&services, &ann, "chair").await;
    wait_until_standby_reads(&services, &ann).await;

    // Single objects are read from the primary.
    let lists = async || {
        let [users, offers] = services.both();
        reads_on_standby(&services).await
            + reads_of(users, "primary").await
            + reads_of(offers, "primary").await
    };
    let before = lists().await;
    services.offers.get_offer(&chair["id"]).await.expect(200);
    services.offers.find_offer(&chair["id"]).await.expect(200);
    services.log_in("ann").await;
    assert_eq!(lists().await, before);

    // Clients read what they have written.
    for number in 0..30 {
        let title = format!("chair {number}");
        services.create_offer(&ann, &title).await;
        assert_in_lists(&services, &ann, &title).await;
        let bob = services.register(&format!("bob{number}")).await;
        let users = services.users.get_users().await.expect(200).json();
        assert!(pluck(&users, "id").contains(&bob["id"]), "{users}");
    }
    wait_until_standby_reads(&services, &ann).await;

    // A standby that lags: what was not written by these services is awaited for a second at most.
    let server = services.database.connect_at(proxy.address()).await;
    call_on(&server, "pg_wal_replay_pause").await;
    services.create_offer(&ann, "table").await;
    assert_in_lists(&services, &ann, "table").await;
    wait_until_used(&services, false).await;
    let before = reads_on_standby(&services).await;
    for _ in 0..5 {
        assert_in_lists(&services, &ann, "table").await;
    }
    assert_eq!(reads_on_standby(&services).await, before);
    call_on(&server, "pg_wal_replay_resume").await;
    wait_until_standby_reads(&services, &ann).await;

    // A standby that is gone, and comes back.
    proxy.disconnect().await;
    for _ in 0..20 {
        assert_in_lists(&services, &ann, "table").await;
    }
    wait_until_used(&services, false).await;
    proxy.connect(Target::Unix(standby.socket()));
    wait_until_standby_reads(&services, &ann).await;

    // A standby that is promoted has a database of its own, without offers.
    let server = services.database.connect_at(proxy.address()).await;
    call_on(&server, "pg_promote").await;
    offer::Entity::delete_many().exec(&server).await.unwrap();
    for _ in 0..20 {
        assert_in_lists(&services, &ann, "table").await;
    }
    wait_until_used(&services, false).await;
}
