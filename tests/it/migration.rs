//! The binary `migration`.

use std::path::Path;

use chrono::Utc;
use entity::{PasswordHash, offer, refresh_token, user};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{EntityTrait, Iterable, PaginatorTrait, QueryOrder, QuerySelect};

use crate::support::database::{Database, Engine, OFFERS_ROLE, USERS_ROLE, migrate, postgres_url};
use crate::support::process;
use crate::support::settings::setting;

on_every_database!(
    migrates_up_and_down,
    fresh_empties_the_database,
    concurrent_migrations_are_safe,
    usernames_are_found_in_any_form_after_the_migration,
    unusable_database_is_an_error
);

/// Counts the users, `None` without their table.
async fn count_users(database: &Database) -> Option<u64> {
    let rows = database.connect().await;
    let count = user::Entity::find().count(&rows).await.ok();
    rows.close().await.unwrap();
    count
}

/// Returns how many migrations are applied and how many are pending.
async fn status(database: &Database, folder: &Path) -> (usize, usize) {
    let text = migrate(database.url(), folder, "status").await.stdout.to_lowercase();
    (text.matches("applied").count(), text.matches("pending").count())
}

async fn migrates_up_and_down(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::empty(engine, folder.path()).await;
    let (applied, all) = status(&database, folder.path()).await;
    assert_eq!(applied, 0);
    assert!(all > 0);
    for _ in 0..2 {
        migrate(database.url(), folder.path(), "up").await;
        assert_eq!(status(&database, folder.path()).await, (all, 0));
        assert_eq!(count_users(&database).await, Some(0));
    }
    for left in (0..all).rev() {
        migrate(database.url(), folder.path(), "down").await;
        assert_eq!(status(&database, folder.path()).await, (left, all - left));
    }
    assert_eq!(count_users(&database).await, None, "the tables are gone");
    migrate(database.url(), folder.path(), "up").await;
    assert_eq!(count_users(&database).await, Some(0));
}

async fn fresh_empties_the_database(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::empty(engine, folder.path()).await;
    database.seed(folder.path(), 3, 1).await;
    assert_eq!(count_users(&database).await, Some(3));
    migrate(database.url(), folder.path(), "fresh").await;
    assert_eq!(count_users(&database).await, Some(0));
}

async fn usernames_are_found_in_any_form_after_the_migration(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::migrated(engine, folder.path()).await;
    let is_pending = async || {
        let list = migrate(database.url(), folder.path(), "status").await.stdout;
        list.lines().any(|line| line.ends_with("_username_keys pending"))
    };
    while !is_pending().await {
        migrate(database.url(), folder.path(), "down").await;
    }
    // Names, and their keys before and after: the second but for one that is taken.
    let names = [
        ("Ann", "ann", "ann"),
        ("ＡＮＮ", "ａｎｎ", "ａｎｎ"),
        ("e\u{301}ve", "e\u{301}ve", "\u{e9}ve"),
        ("straẞe", "straße", "strasse"),
        // The first needs the key that the second has before.
        ("ｉ", "ｉ", "i"),
        ("ı", "i", "ı"),
    ];
    let rows = database.connect().await;
    let users = names.map(|(username, key, _)| user::ActiveModel {
        id: NotSet,
        username: Set(username.to_owned()),
        username_key: Set(key.to_owned()),
        email: Set(None),
        email_key: Set(None),
        password_hash: Set(PasswordHash(String::new())),
        created_at: Set(Utc::now()),
    });
    user::Entity::insert_many(users).exec_without_returning(&rows).await.unwrap();
    let keys = async || {
        let users = user::Entity::find().order_by_asc(user::Column::Id).all(&rows).await.unwrap();
        users.into_iter().map(|user| user.username_key).collect::<Vec<_>>()
    };
    let output = migrate(database.url(), folder.path(), "up").await;
    assert_eq!(keys().await, names.map(|(_, _, after)| after));
    let logged: Vec<_> = output.stderr.lines().filter(|line| line.contains("user=")).collect();
    assert_eq!(logged.len(), 1, "{}", output.stderr);
    assert!(logged[0].contains("user=2 other_user=1"), "{}", logged[0]);
    while !is_pending().await {
        migrate(database.url(), folder.path(), "down").await;
    }
    assert_eq!(keys().await, names.map(|(_, before, _)| before));
}

async fn concurrent_migrations_are_safe(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let database = Database::empty(engine, folder.path()).await;
        let up = || migrate(database.url(), folder.path(), "up");
        tokio::join!(up(), up(), up(), up());
        assert_eq!(count_users(&database).await, Some(0));
        assert_eq!(status(&database, folder.path()).await.1, 0);
        if engine == Engine::Sqlite {
            migrate(database.url(), folder.path(), "fresh").await;
            std::fs::remove_file(folder.path().join("test.db")).unwrap();
            for file in ["test.db-wal", "test.db-shm"] {
                // They exist only if a process ended without closing the database.
                let _ = std::fs::remove_file(folder.path().join(file));
            }
        }
    }
}

async fn unusable_database_is_an_error(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let url = match engine {
        Engine::Sqlite => "sqlite:///nowhere/at/all.db".to_owned(),
        Engine::Postgres => postgres_url("nowhere"),
    };
    for settings in [&[setting("DATABASE_URL", &url)][..], &[]] {
        let mut command = process::command("migration", folder.path(), settings);
        command.arg("up");
        let output = process::run(command).await;
        assert!(!output.status.success());
        assert!(output.stderr.contains("DATABASE_URL"), "{}", output.stderr);
    }
}

#[tokio::test]
async fn each_service_has_only_the_rights_that_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::migrated(Engine::Postgres, folder.path()).await;
    let users = database.connect_as(USERS_ROLE).await;
    assert!(user::Entity::find().all(&users).await.is_ok());
    assert!(refresh_token::Entity::find().all(&users).await.is_ok());
    assert!(offer::Entity::find().all(&users).await.is_err());

    let offers = database.connect_as(OFFERS_ROLE).await;
    assert!(offer::Entity::find().all(&offers).await.is_ok());
    assert!(refresh_token::Entity::find().all(&offers).await.is_err());
    let ids = user::Entity::find().select_only().column(user::Column::Id);
    assert!(ids.into_tuple::<i64>().all(&offers).await.is_ok());
    for column in user::Column::iter().filter(|column| !matches!(column, user::Column::Id)) {
        let values = user::Entity::find().select_only().column(column).into_tuple::<String>();
        let error = values.all(&offers).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{column:?}: {error}");
    }
    for connection in [users, offers] {
        connection.close().await.unwrap();
    }
}
