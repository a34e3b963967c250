//! `classifieds seed`.

use std::collections::HashSet;

use chrono::Utc;
use entity::{PasswordHash, insert_row, offer, user};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use crate::support::database::{Database, Engine};
use crate::support::services::Topology;

/// Title, text, amount, currency and status.
type DemoOffer = (String, String, Option<i64>, Option<String>, offer::Status);

on_every_topology!(demo_users_can_log_in);
on_every_database!(
    seed_is_idempotent,
    seed_works_where_an_email_is_taken,
    same_numbers_give_the_same_offers,
);

async fn seed_is_idempotent(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    // It also creates the tables of a new database.
    let database = Database::empty(engine, folder.path()).await;
    for users in [3, 3, 5] {
        database.seed(folder.path(), users, 4).await;
        let rows = database.connect().await;
        let found = user::Entity::find().count(&rows).await.unwrap();
        assert_eq!(found, u64::from(users));
        let found = offer::Entity::find().count(&rows).await.unwrap();
        assert_eq!(found, u64::from(users) * 4);
        rows.close().await.unwrap();
    }
}

async fn seed_works_where_an_email_is_taken(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::migrated(engine, folder.path()).await;
    let rows = database.connect().await;
    let email = "demo2@example.org".to_owned();
    let other = user::ActiveModel {
        id: NotSet,
        username: Set("other".to_owned()),
        username_key: Set("other".to_owned()),
        email: Set(Some(email.clone())),
        email_key: Set(Some(email)),
        password_hash: Set(PasswordHash(String::new())),
        created_at: Set(Utc::now()),
    };
    let other = insert_row(other, &rows).await.unwrap();
    for _ in 0..2 {
        database.seed(folder.path(), 3, 2).await;
        assert_eq!(user::Entity::find().count(&rows).await, Ok(4));
        let offers = offer::Entity::find().filter(offer::Column::UserId.ne(other.id));
        assert_eq!(offers.count(&rows).await, Ok(6));
        let demo2 = user::Entity::find().filter(user::Column::UsernameKey.eq("demo2"));
        assert_eq!(demo2.one(&rows).await.unwrap().unwrap().email, None);
    }
}

/// In any order of insertion, and whatever the IDs of the users are.
async fn same_numbers_give_the_same_offers(engine: Engine) {
    let mut found = Vec::new();
    for steps in [&[(2, 150)][..], &[(1, 2), (2, 70), (2, 150)]] {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::empty(engine, folder.path()).await;
        for (users, offers) in steps {
            database.seed(folder.path(), *users, *offers).await;
        }
        let rows = database.connect().await;
        let order = [offer::Column::UserId, offer::Column::Id];
        let offers = order.into_iter().fold(offer::Entity::find(), QueryOrder::order_by_asc);
        let offers = offers.all(&rows).await.unwrap().into_iter();
        let without_ids = offers.map(
            |offer::Model { title, text, price_amount, price_currency, status, .. }| {
                (title, text, price_amount, price_currency.map(|code| code.to_string()), status)
            },
        );
        found.push(without_ids.collect::<Vec<_>>());
        rows.close().await.unwrap();
    }
    assert_eq!(found[0], found[1]);
    let offers = &found[0];
    let different: HashSet<_> = offers.iter().map(|(title, text, ..)| (title, text)).collect();
    assert!(different.len() > 290, "{}", different.len());
    let count = |matches: fn(&DemoOffer) -> bool| offers.iter().filter(|one| matches(one)).count();
    for (count, rule) in [
        (count(|one| one.4 == offer::Status::Closed), "is closed"),
        (count(|one| one.2.is_none() && one.3.is_none()), "has no price"),
        (count(|one| one.2 > Some(0) && one.3.as_deref() == Some("EUR")), "costs EUR"),
        (count(|one| one.2 > Some(0) && one.3.as_deref() == Some("USD")), "costs USD"),
        (count(|one| one.2 > Some(0) && one.3.as_deref() == Some("RUB")), "costs RUB"),
        (count(|one| one.0.is_ascii() && one.1.is_ascii()), "is in English"),
        (count(|one| !one.0.is_ascii() && !one.1.is_ascii()), "is in Russian"),
    ] {
        assert!((15..285).contains(&count), "{count} of 300: {rule}");
    }
}

async fn demo_users_can_log_in(topology: Topology) {
    let services = topology.start_strict().await;
    services.seed(2, 3).await;
    for name in ["demo1", "demo2"] {
        services.users.post_login(name, "demo").await.expect(200);
        let user = services.users.get_user(name).await.expect(200).json();
        assert_eq!(user["offers"].as_array().unwrap().len(), 3);
    }
}
