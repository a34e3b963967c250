//! `classifieds copy`.

use std::path::Path;

use chrono::Utc;
use entity::{idempotency_key, insert_row, offer, user};
use sea_orm::ActiveValue::NotSet;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait,
    IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
};

use crate::support::database::{Database, Engine};
use crate::support::process::{command, run_successfully};
use crate::support::settings::settings;

on_every_database!(copies_every_row_and_gives_no_id_again);

/// Copies a database to a new one, and returns a connection to that.
async fn copy(from: &Database, engine: Engine, folder: &Path) -> (DatabaseConnection, Database) {
    let to = Database::empty(engine, folder).await;
    let settings = settings([("DATABASE_URL", from.url())]);
    let mut command = command("classifieds", folder, &settings);
    command.args(["copy", "--to", to.url()]);
    run_successfully(command).await;
    (to.connect().await, to)
}

/// Inserts rows like the first ones, and returns their IDs.
async fn insert_next(rows: &DatabaseConnection) -> (i64, i64) {
    let first = user::Entity::find().order_by_asc(user::Column::Id).one(rows).await.unwrap();
    let mut next = first.unwrap().into_active_model().reset_all();
    next.id = NotSet;
    (next.username_key, next.email_key) = (Set("next".to_owned()), Set(None));
    let user = insert_row(next, rows).await.unwrap();
    let first = offer::Entity::find().one(rows).await.unwrap().unwrap();
    let mut next = first.into_active_model().reset_all();
    next.id = NotSet;
    (user.id, insert_row(next, rows).await.unwrap().id)
}

async fn copies_every_row_and_gives_no_id_again(source: Engine) {
    for target in [Engine::Sqlite, Engine::Postgres] {
        let folder = tempfile::tempdir().unwrap();
        let from = Database::migrated(source, folder.path()).await;
        from.seed(folder.path(), 3, 2).await;
        let rows = from.connect().await;
        let key = idempotency_key::ActiveModel {
            user_id: Set(1),
            key: Set("k-1".to_owned()),
            fingerprint: Set("f".to_owned()),
            offer_id: Set(1),
            created_at: Set(Utc::now()),
        };
        let key = insert_row(key, &rows).await.unwrap();
        // The newest user and offers are gone: nobody may get their IDs.
        user::Entity::delete_many().filter(user::Column::Id.eq(3)).exec(&rows).await.unwrap();

        let target_folder = tempfile::tempdir().unwrap();
        let (copied, _to) = copy(&from, target, target_folder.path()).await;
        assert_eq!(user::Entity::find().count(&copied).await, Ok(2));
        assert_eq!(offer::Entity::find().count(&copied).await, Ok(4));
        let keys = idempotency_key::Entity::find().all(&copied).await.unwrap();
        assert_eq!((keys.len(), &keys[0].key), (1, &key.key));
        assert_eq!(insert_next(&copied).await, (4, 7), "from {source:?} to {target:?}");
        copied.close().await.unwrap();
    }
}
