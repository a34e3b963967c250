//! A database of its own for each test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection};
use tokio::sync::OnceCell;

use crate::process;

/// Where the throw-away `PostgreSQL` answers that `tests/run` starts.
const POSTGRES: &str = "TEST_POSTGRES_URL";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Databases whose tests have ended. They are dropped at the next need for one, since a destructor
/// can't wait for a server.
static DONE: Mutex<Vec<String>> = Mutex::new(Vec::new());

static TEMPLATE: OnceCell<String> = OnceCell::const_new();

pub(crate) struct Database {
    engine: Engine,
    url: String,
    name: String,
}

impl Database {
    /// A database without tables.
    pub(crate) async fn empty(engine: Engine, folder: &Path) -> Self {
        match engine {
            Engine::Sqlite => Self::sqlite(folder),
            Engine::Postgres => Self::postgres(unique("empty"), None).await,
        }
    }

    /// A database that is ready for the services.
    pub(crate) async fn migrated(engine: Engine, folder: &Path) -> Self {
        match engine {
            Engine::Sqlite => {
                let database = Self::sqlite(folder);
                migrate(&database.url, folder, "up").await;
                database
            }
            Engine::Postgres => {
                let template = TEMPLATE.get_or_init(async || {
                    let name = unique("template");
                    create(&name, None).await;
                    migrate(&postgres_url(&name), folder, "up").await;
                    name
                });
                Self::postgres(unique("test"), Some(template.await)).await
            }
        }
    }

    /// As in `DATABASE_URL`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// For a look at the rows themselves.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        connect(&self.url).await
    }

    /// The socket of the `PostgreSQL` server.
    pub(crate) fn socket(&self) -> PathBuf {
        let url = reqwest::Url::parse(&self.url).unwrap();
        let folder = url.query_pairs().find(|(name, _)| name == "host").expect("a socket");
        Path::new(&*folder.1).join(".s.PGSQL.5432")
    }

    /// The URL of this `PostgreSQL` database at another address.
    pub(crate) fn url_by(&self, address: SocketAddr) -> String {
        format!("postgres://postgres@{address}/{}", self.name)
    }

    fn sqlite(folder: &Path) -> Self {
        Self {
            engine: Engine::Sqlite,
            url: format!("sqlite://{}/test.db?mode=rwc", folder.display()),
            name: String::new(),
        }
    }

    async fn postgres(name: String, template: Option<&str>) -> Self {
        create(&name, template).await;
        Self { engine: Engine::Postgres, url: postgres_url(&name), name }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.engine == Engine::Postgres {
            DONE.lock().unwrap().push(std::mem::take(&mut self.name));
        }
    }
}

/// Runs `migration` on a database.
pub(crate) async fn migrate(url: &str, folder: &Path, what: &str) -> process::Finished {
    let settings = [("DATABASE_URL".to_owned(), url.to_owned())];
    let mut command = process::command("migration", folder, &settings);
    command.arg(what);
    process::succeed(command).await
}

async fn create(name: &str, template: Option<&str>) {
    let done: Vec<String> = std::mem::take(&mut *DONE.lock().unwrap());
    let mut statements: Vec<String> =
        done.iter().map(|name| format!("DROP DATABASE {name} WITH (FORCE)")).collect();
    statements.push(match template {
        Some(template) => format!("CREATE DATABASE {name} TEMPLATE {template}"),
        None => format!("CREATE DATABASE {name}"),
    });
    manage(&statements).await;
}

fn unique(kind: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{kind}_{}_{number}", std::process::id())
}

/// The URL of another database on the same server.
pub(crate) fn postgres_url(name: &str) -> String {
    let url = std::env::var(POSTGRES).unwrap_or_else(|_| {
        panic!("{POSTGRES} is not set: run tests/run, which starts a PostgreSQL and sets it")
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

/// Runs statements about whole databases, which no entity can express.
#[allow(clippy::disallowed_methods, reason = "manages whole databases")]
async fn manage(statements: &[impl AsRef<str>]) {
    let server = connect(&postgres_url("postgres")).await;
    for statement in statements {
        let statement = statement.as_ref();
        if let Err(error) = server.execute_unprepared(statement).await {
            panic!("{statement}: {error}");
        }
    }
    server.close().await.unwrap();
}
