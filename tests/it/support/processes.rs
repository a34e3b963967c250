//! The processes of both services.

use std::path::Path;

use super::database::{OFFERS_ROLE, USERS_ROLE, url_of_role};
use super::process::Process;
use super::services::{ProcessCount, Topology};
use super::settings::{Settings, free_address, settings};

struct Service {
    name: &'static str,
    settings: Vec<(String, String)>,
    process: Process,
}

impl Service {
    /// Starts a service with shared settings and some of its own.
    fn start(name: &'static str, folder: &Path, shared: &Settings, own: &[(&str, &str)]) -> Self {
        let settings = [shared, &settings(own.iter().copied())].concat();
        let process = Process::start(name, folder, &settings);
        Self { name, settings, process }
    }
}

/// `users-api` and `offers-api`, or `classifieds` alone.
pub(crate) struct Processes {
    pub(crate) users_url: String,
    pub(crate) offers_url: String,
    services: Vec<Service>,
}

impl Processes {
    pub(crate) async fn start(topology: Topology, folder: &Path, settings: &Settings) -> Self {
        match topology.processes {
            ProcessCount::One => Self::start_one(folder, settings).await,
            ProcessCount::Two => Self::start_two(folder, settings).await,
        }
    }

    async fn start_one(folder: &Path, settings: &Settings) -> Self {
        let own = [
            ("USERS_HTTP_ADDR", "127.0.0.1:0"),
            ("USERS_HTTPS_ADDR", "off"),
            ("OFFERS_HTTP_ADDR", "127.0.0.1:0"),
            ("OFFERS_HTTPS_ADDR", "off"),
        ];
        let mut service = Service::start("classifieds", folder, settings, &own);
        let users_url = service.process.url("users-api", "http").await;
        let offers_url = service.process.url("offers-api", "http").await;
        Self { users_url, offers_url, services: vec![service] }
    }

    /// Each service needs the address of the other, so one of them gets a port that was free a
    /// moment before. If another process has bound it since, the start is tried again.
    async fn start_two(folder: &Path, settings: &Settings) -> Self {
        let (_, database_url) = settings.iter().rfind(|(name, _)| name == "DATABASE_URL").unwrap();
        let users_database_url = url_of_role(USERS_ROLE, database_url);
        let offers_database_url = url_of_role(OFFERS_ROLE, database_url);
        for _ in 0..5 {
            let users_address = free_address();
            let users_url = format!("http://{users_address}");
            let jwks_url = format!("{users_url}/.well-known/jwks.json");

            let own = [
                ("HTTP_ADDR", "127.0.0.1:0"),
                ("JWKS_URL", &jwks_url),
                ("DATABASE_URL", &offers_database_url),
            ];
            let mut offers = Service::start("offers-api", folder, settings, &own);
            let offers_url = offers.process.url("offers-api", "http").await;

            let mut own =
                vec![("HTTP_ADDR", users_address.as_str()), ("DATABASE_URL", &users_database_url)];
            if !settings.iter().any(|(name, _)| name == "OFFERS_URL") {
                own.push(("OFFERS_URL", &offers_url));
            }
            let mut users = Service::start("users-api", folder, settings, &own);
            if users.process.url_unless_ended("users-api", "http").await.is_some() {
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

    pub(crate) fn stop_all(&mut self) {
        for service in &mut self.services {
            service.process.kill();
        }
    }

    /// Ends the processes as an operator would, and waits until all of their output is read.
    pub(crate) async fn terminate(&mut self) {
        for service in &mut self.services {
            service.process.signal("TERM").await;
            service.process.wait().await;
            service.process.kill();
        }
    }

    pub(crate) fn stop(&mut self, name: &str) {
        self.service(name).process.kill();
    }

    /// Starts a stopped service again at the same address.
    pub(crate) async fn start_again(&mut self, name: &str, folder: &Path) {
        let url = if name == "users-api" { &self.users_url } else { &self.offers_url };
        let address = url.trim_start_matches("http://").to_owned();
        let service = self.service(name);
        let own = [("HTTP_ADDR", address.as_str())];
        *service = Service::start(service.name, folder, &service.settings, &own);
        service.process.url(name, "http").await;
    }

    fn service(&mut self, name: &str) -> &mut Service {
        self.services.iter_mut().find(|service| service.name == name).unwrap()
    }
}
