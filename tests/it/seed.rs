//! `classifieds seed`.

use entity::{offer, user};
use sea_orm::{EntityTrait, PaginatorTrait};

use crate::support::database::{Database, Engine};
use crate::support::services::Topology;

on_every_topology!(demo_users_can_log_in);
on_every_database!(seed_is_idempotent);

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

async fn demo_users_can_log_in(topology: Topology) {
    let services = topology.start_strict().await;
    services.seed(2, 3).await;
    for name in ["demo1", "demo2"] {
        services.users.post_login(name, "demo").await.expect(200);
        let user = services.users.get_user(name).await.expect(200).json();
        assert_eq!(user["offers"].as_array().unwrap().len(), 3);
    }
}
