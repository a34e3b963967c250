//! The binary `migration`.

use std::path::Path;

use entity::user;
use sea_orm::{EntityTrait, PaginatorTrait};

use crate::support::database::{Database, Engine, migrate, postgres_url};
use crate::support::process;
use crate::support::settings::setting;

on_every_database!(
    migrates_up_and_down,
    fresh_empties_the_database,
    concurrent_migrations_are_safe,
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
