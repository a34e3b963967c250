//! `classifieds seed`.

use std::path::Path;

use entity::{offer, user};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::json;

use crate::support::database::{Database, Engine};
use crate::support::process;
use crate::support::services::Layout;

on_every_stack!(demo_users_can_log_in);
on_every_database!(is_safe_to_run_again);

/// Puts demo data into a database.
pub(crate) async fn seed(database: &Database, folder: &Path, users: u32, offers: u32) {
    let settings = [("DATABASE_URL".to_owned(), database.url().to_owned())];
    let mut command = process::command("classifieds", folder, &settings);
    command.args(["seed", "--users", &users.to_string(), "--offers", &offers.to_string()]);
    process::succeed(command).await;
}

async fn is_safe_to_run_again(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    // It works on a new database as well.
    let database = Database::empty(engine, folder.path()).await;
    for users in [3, 3, 5] {
        seed(&database, folder.path(), users, 4).await;
        let rows = database.connect().await;
        let found = user::Entity::find().count(&rows).await.unwrap();
        assert_eq!(found, u64::from(users));
        let found = offer::Entity::find().count(&rows).await.unwrap();
        assert_eq!(found, u64::from(users) * 4);
        rows.close().await.unwrap();
    }
}

async fn demo_users_can_log_in(layout: Layout) {
    let stack = layout.strict().await;
    seed(&stack.database, stack.folder(), 2, 3).await;
    for name in ["demo1", "demo2"] {
        let body = json!({ "username": name, "password": "demo" });
        stack.users.post("/user/auth/", body).await.expect(200);
        let path = format!("/user/{name}/");
        let user = stack.users.get(&path).await.expect(200).json();
        assert_eq!(user["offers"].as_array().unwrap().len(), 3);
    }
}
