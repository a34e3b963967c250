//! Both services, started the way an operator would.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::client::Api;
use crate::support::database::{Database, Engine};
use crate::support::processes::Running;
use crate::support::tcp_proxy::{Relay, Target};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processes {
    One,
    Two,
}

/// How a stack is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) engine: Engine,
    pub(crate) processes: Processes,
}

impl Layout {
    pub(crate) const SQLITE_ONE: Self = Self::new(Engine::Sqlite, Processes::One);
    pub(crate) const SQLITE_TWO: Self = Self::new(Engine::Sqlite, Processes::Two);
    pub(crate) const POSTGRES_ONE: Self = Self::new(Engine::Postgres, Processes::One);
    pub(crate) const POSTGRES_TWO: Self = Self::new(Engine::Postgres, Processes::Two);

    const fn new(engine: Engine, processes: Processes) -> Self {
        Self { engine, processes }
    }

    /// A stack with the access rules of `spec`.
    pub(crate) async fn spec(self) -> Stack {
        self.set("SECURITY", "spec").start().await
    }

    /// A stack with the access rules of `strict`.
    pub(crate) async fn strict(self) -> Stack {
        self.set("SECURITY", "strict").start().await
    }

    /// A stack with the access rules of `spec` and one more setting, of both services.
    pub(crate) fn set(self, name: &str, value: &str) -> Setup {
        let setup = Setup {
            layout: self,
            settings: Vec::new(),
            offers_relayed: false,
            database_relayed: false,
        };
        // A machine that runs all tests at once is slow to show signs of life.
        setup.set("SECURITY", "spec").set("OFFERS_PATIENCE", "10s").set(name, value)
    }
}

/// What a stack is started with.
pub(crate) struct Setup {
    layout: Layout,
    settings: Vec<(String, String)>,
    offers_relayed: bool,
    database_relayed: bool,
}

impl Setup {
    /// One more setting; the last value of a name counts.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets `users-api` reach `offers-api` by a relay that the test can cut.
    pub(crate) fn offers_relayed(mut self) -> Self {
        self.offers_relayed = true;
        self
    }

    /// Lets the services reach `PostgreSQL` by a relay that the test can cut.
    pub(crate) fn database_relayed(mut self) -> Self {
        self.database_relayed = true;
        self
    }

    pub(crate) async fn start(mut self) -> Stack {
        let folder = TempDir::new().unwrap();
        let database = Database::migrated(self.layout.engine, folder.path()).await;
        let mut relay = Relay::bind();
        if self.database_relayed {
            relay.mend(Target::Unix(database.socket()));
            self = self.set("DATABASE_URL", &database.url_by(relay.address()));
        } else {
            self = self.set("DATABASE_URL", database.url());
        }
        if self.offers_relayed {
            let url = format!("http://{}", relay.address());
            self = self.set("OFFERS_URL", &url);
        }
        let running = Running::start(self.layout, folder.path(), &self.settings).await;
        let mut stack = Stack {
            layout: self.layout,
            users: Api::new(&running.users_url),
            offers: Api::new(&running.offers_url),
            settings: self.settings,
            database_relayed: self.database_relayed,
            running,
            relay,
            database,
            folder,
        };
        if self.offers_relayed {
            stack.mend();
        }
        stack
    }
}

/// Both services, running. The fields are dropped in order: the processes before what they use.
pub(crate) struct Stack {
    pub(crate) layout: Layout,
    pub(crate) users: Api,
    pub(crate) offers: Api,
    settings: Vec<(String, String)>,
    running: Running,
    database_relayed: bool,
    relay: Relay,
    pub(crate) database: Database,
    folder: TempDir,
}

impl Stack {
    /// The working folder of the services.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The private keys of `users-api`.
    pub(crate) fn keys(&self) -> PathBuf {
        self.folder().join("data/keys")
    }

    /// Cuts what is relayed.
    pub(crate) async fn cut(&mut self) {
        self.relay.cut().await;
    }

    /// Undoes `cut`.
    pub(crate) fn mend(&mut self) {
        self.relay.mend(if self.database_relayed {
            Target::Unix(self.database.socket())
        } else {
            Target::Tcp(self.running.offers_url.trim_start_matches("http://").to_owned())
        });
    }

    /// All that the services have logged.
    pub(crate) fn logs(&self) -> Vec<String> {
        self.running.logs()
    }

    /// Ends the services and starts them anew on the same folder and database.
    pub(crate) async fn restart(&mut self) {
        self.running.stop();
        self.running = Running::start(self.layout, self.folder.path(), &self.settings).await;
        self.users = Api::new(&self.running.users_url);
        self.offers = Api::new(&self.running.offers_url);
    }

    /// Ends a service that runs apart.
    pub(crate) fn stop_one(&mut self, name: &str) {
        self.running.stop_one(name);
    }

    /// Starts a service again where it was.
    pub(crate) async fn start_one(&mut self, name: &str) {
        self.running.start_one(name, self.folder.path()).await;
    }
}
