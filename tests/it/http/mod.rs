//! Behaviour common to all routes of both services.

mod bodies;
mod compression;
mod conditional;
mod connections;
mod cors;
mod errors;
mod headers;
mod routing;
