//! Helpers of the tests: the services as processes, clients, and fixtures.

#[macro_use]
mod matrix;
pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod fixtures;
pub(crate) mod graphql;
pub(crate) mod jwt;
pub(crate) mod metrics;
pub(crate) mod otlp_collector;
pub(crate) mod problem;
pub(crate) mod process;
mod processes;
pub(crate) mod services;
pub(crate) mod settings;
pub(crate) mod standby;
pub(crate) mod tcp_proxy;
pub(crate) mod wait;
pub(crate) mod websocket;
