//! The processes of a stack.

use std::net::TcpListener;
use std::path::Path;

use crate::support::process::{self, Process};
use crate::support::services::{Layout, Processes};

type Settings = Vec<(String, String)>;

struct Service {
    name: &'static str,
    settings: Settings,
    process: Process,
}

impl Service {
    fn start(name: &'static str, folder: &Path, settings: Settings) -> Self {
        let process = Process::start(name, process::command(name, folder, &settings));
        Self { name, settings, process }
    }
}

/// `users-api` and `offers-api`, or `classifieds` alone.
pub(crate) struct Running {
    pub(crate) users_url: String,
    pub(crate) offers_url: String,
    services: Vec<Service>,
}

impl Running {
    pub(crate) async fn start(
        layout: Layout,
        folder: &Path,
        settings: &[(String, String)],
    ) -> Self {
        match layout.processes {
            Processes::One => Self::start_as_one(folder, settings).await,
            Processes::Two => Self::start_as_two(folder, settings).await,
        }
    }

    async fn start_as_one(folder: &Path, settings: &[(String, String)]) -> Self {
        let own = [
            ("USERS_HTTP_ADDR", "127.0.0.1:0"),
            ("USERS_HTTPS_ADDR", "off"),
            ("OFFERS_HTTP_ADDR", "127.0.0.1:0"),
            ("OFFERS_HTTPS_ADDR", "off"),
        ];
        let mut service = Service::start("classifieds", folder, with(settings, &own));
        let users_url = service.process.address("users-api", "http").await;
        let offers_url = service.process.address("offers-api", "http").await;
        Self {
            users_url: users_url.expect("classifieds runs"),
            offers_url: offers_url.expect("classifieds runs"),
            services: vec![service],
        }
    }

    /// Each service needs the address of the other, so that one of them gets a port that was free a
    /// moment ago. Where another process was quicker, it is tried again.
    async fn start_as_two(folder: &Path, settings: &[(String, String)]) -> Self {
        for _ in 0..5 {
            let users_address = free_address();
            let users_url = format!("http://{users_address}");
            let jwks_url = format!("{users_url}/.well-known/jwks.json");

            let own = [("HTTP_ADDR", "127.0.0.1:0"), ("JWKS_URL", &jwks_url)];
            let mut offers = Service::start("offers-api", folder, with(settings, &own));
            let offers_url = offers.process.address("offers-api", "http").await;
            let offers_url = offers_url.expect("offers-api runs");

            let mut own = vec![("HTTP_ADDR", users_address.as_str())];
            if !settings.iter().any(|(name, _)| name == "OFFERS_URL") {
                own.push(("OFFERS_URL", &offers_url));
            }
            let mut users = Service::start("users-api", folder, with(settings, &own));
            if users.process.address("users-api", "http").await.is_some() {
                return Self { users_url, offers_url, services: vec![users, offers] };
            }
            users.process.kill();
            let logs = users.process.logs().join("\n");
            assert!(logs.contains("in use"), "users-api ended: {logs}");
        }
        panic!("no free port");
    }

    pub(crate) fn logs(&self) -> Vec<String> {
        self.services.iter().flat_map(|service| service.process.logs()).collect()
    }

    /// Ends all of them.
    pub(crate) fn stop(&mut self) {
        for service in &mut self.services {
            service.process.kill();
        }
    }

    pub(crate) fn stop_one(&mut self, name: &str) {
        self.service(name).process.kill();
    }

    /// Starts one again where it was.
    pub(crate) async fn start_one(&mut self, name: &str, folder: &Path) {
        let url = if name == "users-api" { &self.users_url } else { &self.offers_url };
        let address = url.trim_start_matches("http://").to_owned();
        let service = self.service(name);
        let settings = with(&service.settings, &[("HTTP_ADDR", &address)]);
        *service = Service::start(service.name, folder, settings);
        service.process.address(name, "http").await.expect("it runs again");
    }

    fn service(&mut self, name: &str) -> &mut Service {
        self.services.iter_mut().find(|service| service.name == name).unwrap()
    }
}

/// Settings and more of them; the last value of a name counts.
fn with(settings: &[(String, String)], more: &[(&str, &str)]) -> Settings {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    settings.iter().cloned().chain(more).collect()
}

/// An address of this machine that nobody listens at.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
