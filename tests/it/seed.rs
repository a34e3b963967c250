//! `classifieds seed`.

use chrono::Utc;
use entity::{PasswordHash, insert_row, offer, user};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::support::database::{Database, Engine};
use crate::support::services::Topology;

on_every_topology!(demo_users_can_log_in);
on_every_database!(seed_is_idempotent, seed_works_where_an_email_is_taken);

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

async fn demo_users_can_log_in(topology: Topology) {
    let services = topology.start_strict().await;
    services.seed(2, 3).await;
    for name in ["demo1", "demo2"] {
        services.users.post_login(name, "demo").await.expect(200);
        let user = services.users.get_user(name).await.expect(200).json();
        assert_eq!(user["offers"].as_array().unwrap().len(), 3);
    }
}
