//! The whole system over real sockets: the real binaries as child processes, on `SQLite` and on
//! `PostgreSQL`, in one process and in two. The folders follow the routes.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by a panic, and shows the logs of the services when it does"
)]

#[macro_use]
mod macros;
mod client;
mod collector;
mod database;
mod graph;
mod metrics;
mod poll;
mod problem;
mod process;
mod relay;
mod running;
mod socket;
mod stack;
mod story;

mod batching;
mod deletion;
mod events;
mod graphql;
mod health;
mod http;
mod idempotency;
mod migration;
mod offers;
mod outage;
mod passwords;
mod races;
mod readme;
mod schemas;
mod secrets;
mod security;
mod seed;
mod settings;
mod shutdown;
mod signals;
mod throttle;
mod tls;
mod tokens;
mod traces;
mod users;
