//! `migration`.

use std::path::Path;

use entity::user;
use sea_orm::{EntityTrait, PaginatorTrait};

use crate::seed::seed;
use crate::support::database::{Database, Engine, migrate, postgres_url};
use crate::support::process;

on_every_database!(goes_up_and_down, starts_fresh, two_at_once_are_safe, wants_a_database);

async fn users(database: &Database) -> Option<u64> {
    let rows = database.connect().await;
    let count = user::Entity::find().count(&rows).await.ok();
    rows.close().await.unwrap();
    count
}

async fn status(database: &Database, folder: &Path) -> (usize, usize) {
    let text = migrate(database.url(), folder, "status").await.stdout.to_lowercase();
    (text.matches("applied").count(), text.matches("pending").count())
}

async fn goes_up_and_down(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::empty(engine, folder.path()).await;
    let (applied, all) = status(&database, folder.path()).await;
    assert_eq!(applied, 0);
    assert!(all > 0);
    for _ in 0..2 {
        migrate(database.url(), folder.path(), "up").await;
        assert_eq!(status(&database, folder.path()).await, (all, 0));
        assert_eq!(users(&database).await, Some(0));
    }
    for left in (0..all).rev() {
        migrate(database.url(), folder.path(), "down").await;
        assert_eq!(status(&database, folder.path()).await, (left, all - left));
    }
    assert_eq!(users(&database).await, None, "the tables are gone");
    migrate(database.url(), folder.path(), "up").await;
    assert_eq!(users(&database).await, Some(0));
}

async fn starts_fresh(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::empty(engine, folder.path()).await;
    seed(&database, folder.path(), 3, 1).await;
    assert_eq!(users(&database).await, Some(3));
    migrate(database.url(), folder.path(), "fresh").await;
    assert_eq!(users(&database).await, Some(0));
}

async fn two_at_once_are_safe(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let database = Database::empty(engine, folder.path()).await;
        let up = || migrate(database.url(), folder.path(), "up");
        tokio::join!(up(), up(), up(), up());
        assert_eq!(users(&database).await, Some(0));
        assert_eq!(status(&database, folder.path()).await.1, 0);
        if engine == Engine::Sqlite {
            migrate(database.url(), folder.path(), "fresh").await;
            std::fs::remove_file(folder.path().join("test.db")).unwrap();
            for more in ["test.db-wal", "test.db-shm"] {
                // They are there only after a process that ended without closing the database.
                let _ = std::fs::remove_file(folder.path().join(more));
            }
        }
    }
}

async fn wants_a_database(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let url = match engine {
        Engine::Sqlite => "sqlite:///nowhere/at/all.db".to_owned(),
        Engine::Postgres => postgres_url("nowhere"),
    };
    let given = [("DATABASE_URL".to_owned(), url)];
    for settings in [&given[..], &[]] {
        let mut command = process::command("migration", folder.path(), settings);
        command.arg("up");
        let finished = process::run(command).await;
        assert!(!finished.status.success());
        assert!(finished.stderr.contains("DATABASE_URL"), "{}", finished.stderr);
    }
}
