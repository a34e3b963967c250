//! What is measured.

use std::{io, net::SocketAddr, path::Path, process::Command, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use schema::pagination;
use serde_json::json;

use crate::{
    Plan,
    large::Large,
    load::{Request, http},
    process::{self, Process},
};

/// Everything that runs while it is measured.
pub(crate) struct Bench {
    users: Process,
    offers: Process,
    sqlite: Process,
    large: Option<Large>,
    fixed: Process,
    direct: Process,
    pingless: Process,
    batched: Process,
    postmaster: u32,
    idle: [f64; 2],
}

/// What is compared: the cases of a group are measured in turn.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) connections: u64,
    /// The first is what the others are compared with.
    pub(crate) cases: Vec<Case>,
}

/// One bar of the chart.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    /// Whose processor time is counted, by name.
    pub(crate) watched: Vec<(&'static str, u32)>,
}

/// What is done over and over.
pub(crate) enum Work {
    Http(SocketAddr, Request),
    /// The statements in a file, by pgbench.
    Statements(&'static str),
    /// Password hashes on all cores.
    Hashes,
}

/// What `postgres` is called among the watched: its processor time is that of all its backends.
pub(crate) const POSTGRES: &str = "postgres";

impl Bench {
    /// Starts the services and the references.
    ///
    /// # Errors
    /// What could not be started.
    pub(crate) fn start(plan: &Plan) -> io::Result<Self> {
        let own = std::env::current_exe()?;
        let reference = |kind| {
            let mut command = Command::new(&own);
            Process::start(command.args(["serve", kind, "--database-url", &plan.database_url]))
        };
        let folder = plan.sqlite.parent().unwrap_or(Path::new("."));
        let service = |name: &str, settings: &[(&str, &str)]| {
            let mut command = Command::new(own.with_file_name(name));
            let settings = settings.iter().copied();
            Process::start(command.current_dir(folder).env("SECURITY", "spec").envs(settings))
        };
        let free = "127.0.0.1:0";
        let both = |database: &str| -> io::Result<_> {
            let settings = [("DATABASE_URL", database), ("HTTP_ADDR", free)];
            let offers = service("offers-api", &settings)?;
            let offers_url = format!("http://{}", offers.address);
            let [url, address] = settings;
            Ok((service("users-api", &[url, address, ("OFFERS_URL", &offers_url)])?, offers))
        };
        let (users, offers) = both(&plan.database_url)?;
        let large = plan.large_database_url.as_deref().map(both).transpose()?;
        let sqlite = format!("sqlite://{}", plan.sqlite.display());
        let sqlite = service(
            "classifieds",
            &[
                ("DATABASE_URL", &sqlite),
                ("USERS_HTTP_ADDR", free),
                ("OFFERS_HTTP_ADDR", free),
                ("USERS_HTTPS_ADDR", "off"),
                ("OFFERS_HTTPS_ADDR", "off"),
            ],
        )?;
        Ok(Self {
            idle: [users.id(), offers.id()].map(process::memory),
            users,
            offers,
            sqlite,
            large: large.map(Large),
            fixed: reference("static")?,
            direct: reference("direct")?,
            pingless: reference("pingless")?,
            batched: reference("batched")?,
            postmaster: process::postmaster(&plan.data)?,
        })
    }

    /// Figures beside the groups.
    pub(crate) fn facts(&self) -> serde_json::Value {
        json!({
            "idle_memory_mb": { "users-api": self.idle[0], "offers-api": self.idle[1] },
            "memory_after_load_mb": {
                "users-api": process::memory(self.users.id()),
                "offers-api": process::memory(self.offers.id()),
            },
            "ready_ms": {
                "users-api": self.users.ready.as_millis(),
                "offers-api": self.offers.ready.as_millis(),
            },
        })
    }

    /// All groups.
    pub(crate) fn groups(&self, plan: &Plan) -> Vec<Group> {
        let users = plan.users;
        let mut groups = vec![
            self.reads("GET /user/{id}/, 32 connections", 32, users),
            self.reads("GET /user/{id}/, 1 connection", 1, users),
            self.crowd(users),
            self.growth(users),
            self.lists(users),
        ];
        if let Some(theirs) = plan.postgraphile.zip(plan.postgraphile_id) {
            let nested = |name, connections| self.nested(name, connections, users, theirs);
            groups.push(nested("GraphQL: 20 users with 5 offers each, 32 connections", 32));
            groups.push(nested("GraphQL: 20 users with 5 offers each, 8 connections", 8));
        }
        groups.extend(self.large.iter().flat_map(|large| large.groups(plan, self.users.address)));
        // What reads comes before what writes: the database tidies up long after it.
        groups.push(self.logins(users));
        groups.push(self.creates(users));
        groups
    }

    fn reads(&self, name: &'static str, connections: u64, users: u64) -> Group {
        let path = || request(move |n| http(&format!("/user/{}/", n % users + 1), None));
        let pg = (POSTGRES, self.postmaster);
        let reference = |name, process: &Process| Case {
            name,
            work: Work::Http(process.address, path()),
            watched: vec![("reference", process.id()), pg],
        };
        Group {
            name,
            connections,
            cases: vec![
                reference("direct: one process, sea-orm as it comes", &self.direct),
                reference("direct, no ping before a statement", &self.pingless),
                reference("direct, with our batching", &self.batched),
                Case {
                    name: "Classifieds: two services, PostgreSQL",
                    work: Work::Http(self.users.address, path()),
                    watched: self.services(),
                },
                Case {
                    name: "Classifieds: one process, SQLite",
                    work: Work::Http(self.sqlite.address, path()),
                    watched: vec![("classifieds", self.sqlite.id())],
                },
                reference("a static answer", &self.fixed),
                Case {
                    name: "pgbench: the two statements",
                    work: Work::Statements("bench/user.sql"),
                    watched: vec![pg],
                },
            ],
        }
    }

    fn services(&self) -> Vec<(&'static str, u32)> {
        vec![
            ("users-api", self.users.id()),
            ("offers-api", self.offers.id()),
            (POSTGRES, self.postmaster),
        ]
    }

    fn lists(&self, users: u64) -> Group {
        self.posts("POST /offer/ by user, 32 connections", "/offer/", move |n| {
            json!({ "user_id": n % users + 1 }).to_string()
        })
    }

    fn creates(&self, users: u64) -> Group {
        self.posts("POST /offer/create/, 32 connections", "/offer/create/", move |n| {
            // The upper half, so that the users who are read keep their ten offers.
            let user = users / 2 + n % (users / 2) + 1;
            json!({ "user_id": user, "title": "Bicycle", "text": "Blue, hardly used." }).to_string()
        })
    }

    fn posts(
        &self,
        name: &'static str,
        path: &'static str,
        body: impl Fn(u64) -> String + Clone + Send + Sync + 'static,
    ) -> Group {
        let case = |name, process: &Process, watched| {
            let body = body.clone();
            let request = request(move |n| http(path, Some(&body(n))));
            Case { name, work: Work::Http(process.address, request), watched }
        };
        let pg = (POSTGRES, self.postmaster);
        Group {
            name,
            connections: 32,
            cases: vec![
                case(
                    "direct: one process, sea-orm as it comes",
                    &self.direct,
                    vec![("reference", self.direct.id()), pg],
                ),
                case(
                    "direct, no ping before a statement",
                    &self.pingless,
                    vec![("reference", self.pingless.id()), pg],
                ),
                case("Classifieds", &self.offers, vec![("offers-api", self.offers.id()), pg]),
            ],
        }
    }

    fn logins(&self, users: u64) -> Group {
        let body = move |n| {
            json!({ "username": format!("demo{}", n % users + 1), "password": "demo" }).to_string()
        };
        Group {
            name: "POST /user/auth/, 8 connections",
            connections: 8,
            cases: vec![
                Case { name: "argon2 alone, on all cores", work: Work::Hashes, watched: vec![] },
                Case {
                    name: "Classifieds",
                    work: Work::Http(
                        self.users.address,
                        request(move |n| http("/user/auth/", Some(&body(n)))),
                    ),
                    watched: self.services(),
                },
            ],
        }
    }

    /// As many connections as may be at work at once, for the memory they take.
    fn crowd(&self, users: u64) -> Group {
        let path = request(move |n| http(&format!("/user/{}/", n % users + 1), None));
        Group {
            name: "GET /user/{id}/, 1000 connections",
            connections: 1000,
            cases: vec![Case {
                name: "Classifieds: two services, PostgreSQL",
                work: Work::Http(self.users.address, path),
                watched: self.services(),
            }],
        }
    }

    /// One query for many users: what it takes should grow in step with them.
    fn growth(&self, users: u64) -> Group {
        const QUERY: &str = "query($n:Int,$a:String){users(first:$n,after:$a){nodes{id username offers{id title}}}}";
        let case = |name, size: u64| {
            let text = move |n| {
                let after = i64::try_from(n % users.saturating_sub(size).max(1) + 1).unwrap_or(1);
                let variables = json!({ "n": size, "a": pagination::encode_cursor(Some(after)) });
                let body = json!({ "query": QUERY, "variables": variables });
                http("/graphql", Some(&body.to_string()))
            };
            Case {
                name,
                work: Work::Http(self.users.address, request(text)),
                watched: self.services(),
            }
        };
        Group {
            name: "GraphQL: many users with their offers, 1 connection",
            connections: 1,
            cases: vec![case("Classifieds: 100 users", 100), case("Classifieds: 1000 users", 1000)],
        }
    }

    /// 20 users with 5 offers each, from a place that differs each time.
    fn nested(
        &self,
        name: &'static str,
        connections: u64,
        users: u64,
        (postgraphile, id): (SocketAddr, u32),
    ) -> Group {
        const OURS: &str = "query($a:String){users(first:20,after:$a){nodes{id username \
            offersConnection(first:5){nodes{id title text createdAt}}}}}";
        const THEIRS: &str = "query($a:Cursor){allUsers(first:20,after:$a){nodes{id username \
            offersByUserId(first:5){nodes{id title text createdAt}}}}}";
        let graphql = |query: &'static str, cursor: fn(i64) -> Option<String>| {
            request(move |n| {
                // Their cursors and ours name a row that is there.
                let after = i64::try_from(n % (users - 20) + 1).unwrap_or(1);
                let body = json!({ "query": query, "variables": { "a": cursor(after) } });
                http("/graphql", Some(&body.to_string()))
            })
        };
        let theirs =
            |id| Some(BASE64_STANDARD.encode(json!(["primary_key_asc", [id]]).to_string()));
        Group {
            name,
            connections,
            cases: vec![
                Case {
                    name: "PostGraphile 4",
                    work: Work::Http(postgraphile, graphql(THEIRS, theirs)),
                    watched: vec![("node", id), (POSTGRES, self.postmaster)],
                },
                Case {
                    name: "Classifieds: two services",
                    work: Work::Http(
                        self.users.address,
                        graphql(OURS, |id| pagination::encode_cursor(Some(id))),
                    ),
                    watched: self.services(),
                },
            ],
        }
    }
}

pub(crate) fn request(text: impl Fn(u64) -> String + Send + Sync + 'static) -> Request {
    Arc::new(text)
}
