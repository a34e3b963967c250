//! A separate database for each test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection};
use tokio::sync::OnceCell;

use super::process::{self, Output, command};
use super::settings::settings;

/// The variable with the URL of the disposable `PostgreSQL` that `tests/run` starts.
const POSTGRES_URL_VARIABLE: &str = "TEST_POSTGRES_URL";

/// The roles that the services log in as if each is a process of its own.
pub(crate) const USERS_ROLE: &str = "users_api";
pub(crate) const OFFERS_ROLE: &str = "offers_api";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Names of databases whose tests have ended. The next `create` drops them, since a destructor
/// can't wait for a server.
static UNUSED_DATABASES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The name of a migrated database that new ones are copied from.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

pub(crate) struct Database {
    engine: Engine,
    url: String,
    name: String,
}

impl Database {
    /// Creates a database without tables.
    pub(crate) async fn empty(engine: Engine, folder: &Path) -> Self {
        match engine {
            Engine::Sqlite => Self::sqlite(folder),
            Engine::Postgres => Self::postgres(unique_name("empty"), None).await,
        }
    }

    /// Creates a database with all tables.
    pub(crate) async fn migrated(engine: Engine, folder: &Path) -> Self {
        match engine {
            Engine::Sqlite => {
                let database = Self::sqlite(folder);
                migrate(&database.url, folder, "up").await;
                database
            }
            Engine::Postgres => {
                let template = TEMPLATE.get_or_init(async || {
                    let name = unique_name("template");
                    create(&name, None).await;
                    create_roles().await;
                    migrate_and_grant(&postgres_url(&name), folder, "up").await;
                    name
                });
                Self::postgres(unique_name("test"), Some(template.await)).await
            }
        }
    }

    /// Returns the value for `DATABASE_URL`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Connects to the database, for tests that read or change rows.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        connect(&self.url).await
    }

    /// Connects to the `PostgreSQL` database as a service does.
    pub(crate) async fn connect_as(&self, role: &str) -> DatabaseConnection {
        connect(&url_of_role(role, &self.url)).await
    }

    /// Returns the path of the Unix socket of the `PostgreSQL` server.
    pub(crate) fn socket(&self) -> PathBuf {
        socket_folder(&self.url).join(".s.PGSQL.5432")
    }

    /// Returns the URL of this `PostgreSQL` database at another address.
    pub(crate) fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://postgres@{address}/{}", self.name)
    }

    /// Connects to the copy of this database on a standby.
    pub(crate) async fn connect_at(&self, address: SocketAddr) -> DatabaseConnection {
        connect(&self.url_at(address)).await
    }

    /// Runs `classifieds seed`.
    pub(crate) async fn seed(&self, folder: &Path, users: u32, offers: u32) {
        let mut command = command("classifieds", folder, &settings([("DATABASE_URL", self.url())]));
        command.args(["seed", "--users", &users.to_string(), "--offers", &offers.to_string()]);
        process::run_successfully(command).await;
    }

    fn sqlite(folder: &Path) -> Self {
        Self { engine: Engine::Sqlite, url: sqlite_url(folder), name: String::new() }
    }

    async fn postgres(name: String, template: Option<&str>) -> Self {
        create(&name, template).await;
        Self { engine: Engine::Postgres, url: postgres_url(&name), name }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.engine == Engine::Postgres {
            UNUSED_DATABASES.lock().unwrap().push(std::mem::take(&mut self.name));
        }
    }
}

/// Runs `migration` with a subcommand, such as `up`, on a database.
pub(crate) async fn migrate(url: &str, folder: &Path, subcommand: &str) -> Output {
    let mut command = command("migration", folder, &settings([("DATABASE_URL", url)]));
    command.arg(subcommand);
    process::run_successfully(command).await
}

/// As [`migrate`], and grants the roles of the services their rights.
pub(crate) async fn migrate_and_grant(url: &str, folder: &Path, subcommand: &str) {
    let settings =
        settings([("DATABASE_URL", url), ("USERS_ROLE", USERS_ROLE), ("OFFERS_ROLE", OFFERS_ROLE)]);
    let mut command = command("migration", folder, &settings);
    command.arg(subcommand);
    process::run_successfully(command).await;
}

/// Returns the URL of the `SQLite` database in a folder.
pub(crate) fn sqlite_url(folder: &Path) -> String {
    format!("sqlite://{}/test.db?mode=rwc", folder.display())
}

async fn create(name: &str, template: Option<&str>) {
    let unused: Vec<String> = std::mem::take(&mut *UNUSED_DATABASES.lock().unwrap());
    let mut statements: Vec<String> =
        unused.iter().map(|name| format!("DROP DATABASE {name} WITH (FORCE)")).collect();
    statements.push(match template {
        Some(template) => format!("CREATE DATABASE {name} TEMPLATE {template}"),
        None => format!("CREATE DATABASE {name}"),
    });
    execute_on_server(&statements).await;
}

/// Returns the URL of a `PostgreSQL` database with another role; that of another database is unchanged.
pub(crate) fn url_of_role(role: &str, url: &str) -> String {
    url.replacen("postgres://postgres@", &format!("postgres://{role}@"), 1)
}

/// Creates the roles of the services, which belong to the server and may be there.
async fn create_roles() {
    let statements = [USERS_ROLE, OFFERS_ROLE].map(|role| {
        format!(
            "DO $$ BEGIN CREATE ROLE {role} LOGIN; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    });
    execute_on_server(&statements).await;
}

fn unique_name(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}_{}_{number}", std::process::id())
}

/// Returns the folder of the Unix socket in the URL of a `PostgreSQL`.
pub(crate) fn socket_folder(url: &str) -> PathBuf {
    let url = reqwest::Url::parse(url).unwrap();
    let folder = url.query_pairs().find(|(name, _)| name == "host").expect("a socket");
    PathBuf::from(&*folder.1)
}

/// Returns the URL of a database on the disposable `PostgreSQL`.
pub(crate) fn postgres_url(name: &str) -> String {
    let url = std::env::var(POSTGRES_URL_VARIABLE).unwrap_or_else(|_| {
        panic!("{POSTGRES_URL_VARIABLE} is not set: run tests/run, which starts a PostgreSQL and sets it")
    });
    let mut url = reqwest::Url::parse(&url).unwrap();
    url.set_path(name);
    url.into()
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false).max_connections(1);
    sea_orm::Database::connect(options).await.unwrap()
}

/// Executes statements that create or drop databases, which no entity can express.
#[allow(clippy::disallowed_methods, reason = "manages whole databases")]
async fn execute_on_server(statements: &[impl AsRef<str>]) {
    let server = connect(&postgres_url("postgres")).await;
    for statement in statements {
        let statement = statement.as_ref();
        if let Err(error) = server.execute_unprepared(statement).await {
            panic!("{statement}: {error}");
        }
    }
    server.close().await.unwrap();
}
