//! Both services, started the way an operator would.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::client::Api;
use crate::database::{Database, Engine};
use crate::process::{self, Process};
use crate::relay::Relay;

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
        let setup = Setup { layout: self, settings: Vec::new(), relayed: false };
        setup.set("SECURITY", "spec").set(name, value)
    }
}

/// What a stack is started with.
pub(crate) struct Setup {
    layout: Layout,
    settings: Vec<(String, String)>,
    relayed: bool,
}

impl Setup {
    /// One more setting; the last value of a name counts.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets `users-api` reach `offers-api` by a relay that the test can cut.
    pub(crate) fn relayed(mut self) -> Self {
        self.relayed = true;
        self
    }

    pub(crate) async fn start(mut self) -> Stack {
        let folder = TempDir::new().unwrap();
        let database = Database::migrated(self.layout.engine, folder.path()).await;
        self = self.set("DATABASE_URL", database.url());
        let relay = if self.relayed {
            let relay = Relay::bind().await;
            self = self.set("OFFERS_URL", &relay.url());
            Some(relay)
        } else {
            None
        };
        let running = match self.layout.processes {
            Processes::One => start_one(folder.path(), &self.settings).await,
            Processes::Two => start_two(folder.path(), &self.settings).await,
        };
        if let Some(relay) = &relay {
            relay.mend(&running.offers_url);
        }
        Stack {
            layout: self.layout,
            users: Api::new(&running.users_url),
            offers: Api::new(&running.offers_url),
            settings: self.settings,
            running,
            relay,
            database,
            folder,
        }
    }
}

struct Running {
    users_url: String,
    offers_url: String,
    /// `users-api` and `offers-api`, or `classifieds` alone.
    processes: Vec<Process>,
}

/// Both services, running. The fields are dropped in order: the processes before what they use.
pub(crate) struct Stack {
    pub(crate) layout: Layout,
    pub(crate) users: Api,
    pub(crate) offers: Api,
    settings: Vec<(String, String)>,
    running: Running,
    relay: Option<Relay>,
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

    /// The relay that `Setup::relayed` asked for.
    pub(crate) fn relay(&self) -> &Relay {
        self.relay.as_ref().unwrap()
    }

    /// All that the services have logged.
    pub(crate) fn logs(&self) -> Vec<String> {
        let processes = self.running.processes.iter();
        processes.flat_map(Process::logs).collect()
    }

    /// Ends the services and starts them anew on the same folder and database.
    pub(crate) async fn restart(&mut self) {
        for process in &mut self.running.processes {
            process.kill();
        }
        self.running = match self.layout.processes {
            Processes::One => start_one(self.folder.path(), &self.settings).await,
            Processes::Two => start_two(self.folder.path(), &self.settings).await,
        };
        self.users = Api::new(&self.running.users_url);
        self.offers = Api::new(&self.running.offers_url);
    }

    /// Ends `offers-api`, which runs apart.
    pub(crate) fn stop_offers(&mut self) {
        self.running.processes[1].kill();
    }

    /// Starts `offers-api` again where it was.
    pub(crate) async fn start_offers(&mut self) {
        let address = self.running.offers_url.trim_start_matches("http://");
        let jwks_url = jwks_url(&self.running.users_url);
        let mut settings = self.settings.clone();
        settings.push(("HTTP_ADDR".to_owned(), address.to_owned()));
        settings.push(("JWKS_URL".to_owned(), jwks_url));
        let mut offers = start("offers-api", self.folder.path(), &settings);
        offers.address("offers-api", "http").await.unwrap();
        self.running.processes[1] = offers;
    }
}

fn jwks_url(users_url: &str) -> String {
    format!("{users_url}/.well-known/jwks.json")
}

fn start(name: &str, folder: &Path, settings: &[(String, String)]) -> Process {
    Process::start(name, process::command(name, folder, settings))
}

async fn start_one(folder: &Path, settings: &[(String, String)]) -> Running {
    let mut settings = settings.to_vec();
    for (name, value) in [
        ("USERS_HTTP_ADDR", "127.0.0.1:0"),
        ("USERS_HTTPS_ADDR", "off"),
        ("OFFERS_HTTP_ADDR", "127.0.0.1:0"),
        ("OFFERS_HTTPS_ADDR", "off"),
    ] {
        settings.push((name.to_owned(), value.to_owned()));
    }
    let mut process = start("classifieds", folder, &settings);
    let users_url = process.address("users-api", "http").await;
    let offers_url = process.address("offers-api", "http").await;
    Running {
        users_url: users_url.expect("classifieds runs"),
        offers_url: offers_url.expect("classifieds runs"),
        processes: vec![process],
    }
}

/// Each service needs the address of the other, so that one of them gets a port that was free a
/// moment ago. Where another process was quicker, it is tried again.
async fn start_two(folder: &Path, settings: &[(String, String)]) -> Running {
    for _ in 0..5 {
        let users_address = free_address();
        let users_url = format!("http://{users_address}");

        let mut for_offers = settings.to_vec();
        for_offers.push(("HTTP_ADDR".to_owned(), "127.0.0.1:0".to_owned()));
        for_offers.push(("JWKS_URL".to_owned(), jwks_url(&users_url)));
        let mut offers = start("offers-api", folder, &for_offers);
        let offers_url = offers.address("offers-api", "http").await;
        let offers_url = offers_url.expect("offers-api runs");

        let mut for_users = vec![("OFFERS_URL".to_owned(), offers_url.clone())];
        for_users.extend_from_slice(settings);
        for_users.push(("HTTP_ADDR".to_owned(), users_address.clone()));
        let mut users = start("users-api", folder, &for_users);
        if users.address("users-api", "http").await.is_some() {
            return Running { users_url, offers_url, processes: vec![users, offers] };
        }
        users.kill();
        let logs = users.logs().join("\n");
        assert!(logs.contains("in use"), "users-api ended: {logs}");
    }
    panic!("no free port");
}

/// An address of this machine that nobody listens at.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
