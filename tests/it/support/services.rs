//! Both services, started as an operator would start them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::client::ApiClient;
use super::database::{Database, Engine};
use super::fixtures::{TestUser, password_of, registration, string_field};
use super::processes::Processes;
use super::settings::setting;
use super::tcp_proxy::{Target, TcpProxy};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessCount {
    One,
    Two,
}

/// The database and the number of processes that a test runs with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Topology {
    pub(crate) engine: Engine,
    pub(crate) processes: ProcessCount,
}

impl Topology {
    pub(crate) const SQLITE_ONE_PROCESS: Self = Self::new(Engine::Sqlite, ProcessCount::One);
    pub(crate) const SQLITE_TWO_PROCESSES: Self = Self::new(Engine::Sqlite, ProcessCount::Two);
    pub(crate) const POSTGRES_ONE_PROCESS: Self = Self::new(Engine::Postgres, ProcessCount::One);
    pub(crate) const POSTGRES_TWO_PROCESSES: Self = Self::new(Engine::Postgres, ProcessCount::Two);

    const fn new(engine: Engine, processes: ProcessCount) -> Self {
        Self { engine, processes }
    }

    /// Starts the services with `SECURITY=spec`: no request needs a token.
    pub(crate) async fn start_open(self) -> Services {
        self.builder().start().await
    }

    /// Starts the services with `SECURITY=strict`: changes need a token of the user concerned.
    pub(crate) async fn start_strict(self) -> Services {
        self.set("SECURITY", "strict").start().await
    }

    /// Returns a builder with `SECURITY=spec` and one more setting, for both services.
    pub(crate) fn set(self, name: &str, value: &str) -> ServicesBuilder {
        self.builder().set(name, value)
    }

    /// Returns a builder with `SECURITY=spec`.
    pub(crate) fn builder(self) -> ServicesBuilder {
        let builder = ServicesBuilder {
            topology: self,
            settings: Vec::new(),
            offers_proxied: false,
            database_proxied: false,
            standby: None,
        };
        // On a machine that runs all tests at once, offers-api may be slow to respond.
        builder.set("SECURITY", "spec").set("OFFERS_PATIENCE", "10s")
    }
}

/// The settings that the services are started with.
pub(crate) struct ServicesBuilder {
    topology: Topology,
    settings: Vec<(String, String)>,
    offers_proxied: bool,
    database_proxied: bool,
    standby: Option<SocketAddr>,
}

impl ServicesBuilder {
    /// Adds a setting; the last value of a name counts.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push(setting(name, value));
        self
    }

    /// Connects `users-api` to `offers-api` through a proxy that the test can disconnect.
    pub(crate) fn proxy_offers(mut self) -> Self {
        self.offers_proxied = true;
        self
    }

    /// Connects the services to `PostgreSQL` through a proxy that the test can disconnect.
    pub(crate) fn proxy_database(mut self) -> Self {
        self.database_proxied = true;
        self
    }

    /// Lets the services read lists from the standby at an address.
    pub(crate) fn read_from(mut self, standby: SocketAddr) -> Self {
        self.standby = Some(standby);
        self
    }

    pub(crate) async fn start(mut self) -> Services {
        let folder = TempDir::new().unwrap();
        let database = Database::migrated(self.topology.engine, folder.path()).await;
        let mut proxy = TcpProxy::bind();
        if self.database_proxied {
            proxy.connect(Target::Unix(database.socket()));
            self = self.set("DATABASE_URL", &database.url_at(proxy.address()));
        } else {
            self = self.set("DATABASE_URL", database.url());
        }
        if let Some(address) = self.standby {
            self = self.set("DATABASE_READ_URL", &database.url_at(address));
        }
        if self.offers_proxied {
            let url = format!("http://{}", proxy.address());
            self = self.set("OFFERS_URL", &url);
        }
        let processes = Processes::start(self.topology, folder.path(), &self.settings).await;
        let mut services = Services {
            topology: self.topology,
            users: ApiClient::new(&processes.users_url),
            offers: ApiClient::new(&processes.offers_url),
            settings: self.settings,
            database_proxied: self.database_proxied,
            processes,
            proxy,
            database,
            folder,
        };
        if self.offers_proxied {
            services.connect();
        }
        services
    }
}

/// Both services, running. The fields are dropped in order: the processes before what they use.
pub(crate) struct Services {
    pub(crate) topology: Topology,
    pub(crate) users: ApiClient,
    pub(crate) offers: ApiClient,
    settings: Vec<(String, String)>,
    processes: Processes,
    database_proxied: bool,
    proxy: TcpProxy,
    pub(crate) database: Database,
    folder: TempDir,
}

impl Services {
    pub(crate) fn both(&self) -> [&ApiClient; 2] {
        [&self.users, &self.offers]
    }

    /// Returns the working folder of the services.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder with the signing keys of `users-api`.
    pub(crate) fn keys_folder(&self) -> PathBuf {
        self.folder().join("data/keys")
    }

    /// Disconnects the proxy of `proxy_offers` or `proxy_database`.
    pub(crate) async fn disconnect(&mut self) {
        self.proxy.disconnect().await;
    }

    /// Reverts [`Self::disconnect`].
    pub(crate) fn connect(&mut self) {
        self.proxy.connect(if self.database_proxied {
            Target::Unix(self.database.socket())
        } else {
            Target::Tcp(self.processes.offers_url.trim_start_matches("http://").to_owned())
        });
    }

    /// Returns all log lines of the services so far.
    pub(crate) fn logs(&self) -> Vec<String> {
        self.processes.logs()
    }

    /// Returns the security events so far, for services with `LOG_FORMAT=json`.
    pub(crate) fn security_events(&self) -> Vec<Value> {
        let lines = self.logs().into_iter();
        let lines = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
        lines.filter(|line| line["target"] == "security").collect()
    }

    /// Stops the services and starts them again with the same folder and database.
    pub(crate) async fn restart(&mut self) {
        self.processes.stop_all();
        self.processes = Processes::start(self.topology, self.folder.path(), &self.settings).await;
        self.users = ApiClient::new(&self.processes.users_url);
        self.offers = ApiClient::new(&self.processes.offers_url);
    }

    /// Ends the services as an operator would.
    pub(crate) async fn terminate(&mut self) {
        self.processes.terminate().await;
    }

    /// Stops a service that runs in a process of its own.
    pub(crate) fn stop(&mut self, name: &str) {
        self.processes.stop(name);
    }

    /// Starts a stopped service again at the same address.
    pub(crate) async fn start(&mut self, name: &str) {
        self.processes.start_again(name, self.folder.path()).await;
    }
}

/// The steps that most tests begin with.
impl Services {
    /// Fills the database with demo data: `users` users with `offers` offers each.
    pub(crate) async fn seed(&self, users: u32, offers: u32) {
        self.database.seed(self.folder(), users, offers).await;
    }

    /// Registers a user, and returns the response.
    pub(crate) async fn register(&self, name: &str) -> Value {
        self.users.post_registration(registration(name)).await.expect(201).json()
    }

    /// Logs a registered user in, and returns the response.
    pub(crate) async fn log_in(&self, name: &str) -> Value {
        self.users.post_login(name, password_of(name)).await.expect(200).json()
    }

    pub(crate) async fn register_and_log_in(&self, name: &str) -> TestUser {
        let user = self.register(name).await;
        let session = self.log_in(name).await;
        TestUser {
            id: user["id"].as_i64().unwrap(),
            password: password_of(name),
            access_token: string_field(&session, "access_token"),
            refresh_token: string_field(&session, "refresh_token"),
        }
    }

    /// Creates an offer of a user, and returns the response.
    pub(crate) async fn create_offer(&self, user: &TestUser, title: &str) -> Value {
        let offers = self.offers.bearer(&user.access_token);
        offers.create_offer(user.id, title, "As good as new.").await.expect(201).json()
    }
}
