//! Writes while the disk is full: a limit on the size of files stands for it, which also shows only
//! in the commit. On `SQLite`, whose files the services write themselves.

use std::collections::BTreeSet;
use std::path::Path;

use entity::{offer, user};
use futures_util::future::join_all;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use sea_orm::{Database, DatabaseConnection, EntityTrait};
use serde_json::json;
use tempfile::TempDir;

use crate::support::client::{ApiClient, HttpResponse};
use crate::support::database::sqlite_url;
use crate::support::fixtures::{password_of, registration, string_field};
use crate::support::process::{self, Process, prepared_command};
use crate::support::settings::{migrated_folder, setting, valid_settings};
use crate::support::wait;

/// A write beyond a limit is an error then, as on a full disk, and does not end the process.
const IGNORE_LIMIT_SIGNAL: &str = "trap '' XFSZ";

/// Room that a full disk has left.
const ROOM: u64 = 200 * 1024;

/// The longest text of an offer, so that the last part of the room is too small for another one.
fn long_text() -> String {
    "x".repeat(20_000)
}

/// Both services in one process, on `SQLite`.
struct LimitedServices {
    process: Process,
    users: ApiClient,
    offers: ApiClient,
    folder: TempDir,
}

impl LimitedServices {
    async fn start() -> Self {
        let folder = migrated_folder().await;
        let mut settings = valid_settings("classifieds", folder.path());
        settings.push(setting("SECURITY", "spec"));
        let command =
            prepared_command(IGNORE_LIMIT_SIGNAL, "classifieds", folder.path(), &settings);
        let mut process = Process::spawn("classifieds", command);
        let users = ApiClient::new(&process.url("users-api", "http").await);
        let offers = ApiClient::new(&process.url("offers-api", "http").await);
        Self { process, users, offers, folder }
    }

    /// Lets the log of the database grow by [`ROOM`] and no more.
    fn fill_disk(&self) {
        let log = self.folder.path().join("test.db-wal");
        self.limit_file_size(Some(log.metadata().unwrap().len() + ROOM));
    }

    fn free_disk(&self) {
        self.limit_file_size(None);
    }

    fn limit_file_size(&self, bytes: Option<u64>) {
        let pid = Pid::from_raw(self.process.id().try_into().unwrap());
        let maximum = getrlimit(Resource::Fsize).maximum;
        prlimit(pid, Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
    }

    async fn connect(&self) -> DatabaseConnection {
        Database::connect(sqlite_url(self.folder.path())).await.unwrap()
    }

    async fn register(&self, name: &str) -> i64 {
        let user = self.users.post_registration(registration(name)).await.expect(201).json();
        user["id"].as_i64().unwrap()
    }

    /// Creates long offers, several at once, until none fits any more. Returns the ids of those that
    /// were acknowledged.
    async fn create_offers_until_full(&self, user: i64) -> BTreeSet<i64> {
        let mut acknowledged = BTreeSet::new();
        for _ in 0..50 {
            let round = join_all((0..4).map(|_| self.offers.create_offer(user, "a", long_text())));
            let mut is_full = true;
            for response in round.await {
                if response.status == 201 {
                    is_full = false;
                    let is_new = acknowledged.insert(response.json()["id"].as_i64().unwrap());
                    assert!(is_new, "two responses have the same id");
                } else {
                    assert_unavailable(&response);
                }
            }
            if is_full {
                // One alone may fit where a batch of several does not.
                let response = self.offers.create_offer(user, "a", long_text()).await;
                if response.status != 201 {
                    assert_unavailable(&response);
                    return acknowledged;
                }
                acknowledged.insert(response.json()["id"].as_i64().unwrap());
            }
        }
        panic!("the disk is not full");
    }

    async fn assert_ready(&self, status: u16) {
        for api in [&self.users, &self.offers] {
            api.get("/health/ready").await.expect(status);
            api.get("/health/live").await.expect(200);
        }
    }
}

#[track_caller]
fn assert_unavailable(response: &HttpResponse) {
    assert_eq!(response.problem(503).code, "DATABASE_UNAVAILABLE");
}

async fn stored_offers(rows: &DatabaseConnection) -> BTreeSet<i64> {
    offer::Entity::find().all(rows).await.unwrap().into_iter().map(|offer| offer.id).collect()
}

async fn stored_users(rows: &DatabaseConnection) -> BTreeSet<String> {
    user::Entity::find().all(rows).await.unwrap().into_iter().map(|user| user.username).collect()
}

#[tokio::test]
async fn acknowledged_offers_are_stored() {
    let services = LimitedServices::start().await;
    let ann = services.register("ann").await;
    let mut events = services.offers.websocket().await;
    events.subscribe("1", "subscription { offerCreated { id } }").await;
    services.fill_disk();
    let mut acknowledged = services.create_offers_until_full(ann).await;
    assert!(!acknowledged.is_empty(), "some offers fit");

    services.assert_ready(503).await;

    let rows = services.connect().await;
    assert_eq!(stored_offers(&rows).await, acknowledged);
    let texts = offer::Entity::find().all(&rows).await.unwrap().into_iter().map(|row| row.text);
    assert!(texts.into_iter().all(|text| text == long_text()));

    services.free_disk();
    let created = services.offers.create_offer(ann, "a", long_text()).await.expect(201).json();
    acknowledged.insert(created["id"].as_i64().unwrap());
    assert_eq!(stored_offers(&rows).await, acknowledged);
    let mut published = BTreeSet::new();
    while published.len() < acknowledged.len() {
        let event = events.next_event("1").await;
        published.insert(string_field(&event["offerCreated"], "id").parse().unwrap());
    }
    assert_eq!(published, acknowledged);
}

#[tokio::test]
async fn acknowledged_accounts_are_stored() {
    let services = LimitedServices::start().await;
    let ann = services.register("ann").await;
    let session = services.users.post_login("ann", password_of("ann")).await.expect(200).json();
    services.assert_ready(200).await;
    services.fill_disk();
    services.create_offers_until_full(ann).await;

    // Accounts are small: some still fit.
    let mut acknowledged = BTreeSet::from(["ann".to_owned()]);
    for number in 0.. {
        let name = format!("user{number}");
        let response = services.users.post_registration(registration(&name)).await;
        if response.status != 201 {
            assert_unavailable(&response);
            services.users.get_user(&name).await.problem(404);
            break;
        }
        acknowledged.insert(name);
    }
    let rows = services.connect().await;
    assert_eq!(stored_users(&rows).await, acknowledged);
    services.assert_ready(503).await;

    services.free_disk();
    wait::until_true("the services are ready again", async || {
        services.users.get("/health/ready").await.status == 200
    })
    .await;
    services.assert_ready(200).await;
    let email = json!({ "email": "new@example.org" });
    services.users.patch_user("ann", email).await.expect(200);
    let ann = services.users.bearer(&string_field(&session, "access_token"));
    let (old, new) = (password_of("ann"), password_of("another"));
    ann.post_password(&old, &new).await.expect(204);
    services.users.post_login("ann", &old).await.problem(401);
    services.users.post_login("ann", &new).await.expect(200);
    services.users.delete_user("ann").await.expect(204);
    acknowledged.remove("ann");
    assert_eq!(stored_users(&rows).await, acknowledged, "a probe leaves no row behind");
}

#[tokio::test]
async fn bulk_writes_report_a_full_disk() {
    let folder = migrated_folder().await;
    let run = async |folder: &Path, arguments: &[&str]| {
        let settings = valid_settings("classifieds", folder);
        // The unit is 512 or 1024 bytes.
        let preparation = format!("{IGNORE_LIMIT_SIGNAL}; ulimit -f 1024");
        let mut command = prepared_command(&preparation, "classifieds", folder, &settings);
        command.args(arguments);
        process::run(command).await
    };
    let seeded = run(folder.path(), &["seed", "--users", "100", "--offers", "200"]).await;
    assert!(!seeded.status.success(), "{}", seeded.stdout);
    assert!(seeded.stderr.contains("DATABASE_URL"), "{}", seeded.stderr);
    assert!(!seeded.stdout.contains("log in as"), "{}", seeded.stdout);

    let folder = migrated_folder().await;
    let settings = valid_settings("classifieds", folder.path());
    let mut seed = process::command("classifieds", folder.path(), &settings);
    seed.args(["seed", "--users", "100", "--offers", "200"]);
    process::run_successfully(seed).await;
    let copied = run(folder.path(), &["copy", "--to", "sqlite://copy.db?mode=rwc"]).await;
    assert!(!copied.status.success(), "{}", copied.stdout);
    assert!(copied.stderr.contains("--to"), "{}", copied.stderr);
    assert!(!copied.stdout.contains("copied"), "{}", copied.stdout);
}
