//! Tests of the whole system over real sockets: the real binaries as child processes, on `SQLite`
//! and on `PostgreSQL`, in one process and in two. The folders follow the routes.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by a panic, and prints the logs of the services when it does"
)]

#[macro_use]
mod support;

mod access;
mod batching;
mod concurrency;
mod copy;
mod deletion;
mod durability;
mod graphql;
mod health;
mod http;
mod idempotency;
mod large_answers;
mod logging;
mod migration;
mod offers;
mod outage;
mod passwords;
mod postgres;
mod readme;
mod schemas;
mod secrets;
mod security_log;
mod seed;
mod settings;
mod shutdown;
mod signals;
mod standby;
mod throttle;
mod tls;
mod tokens;
mod traces;
mod users;
