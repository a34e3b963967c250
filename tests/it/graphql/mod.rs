//! GraphQL of both services.

mod access;
mod connections;
mod descriptions;
mod entities;
mod execution;
mod introspection;
mod offers;
mod pagination;
mod sessions;
mod subscriptions;
mod transport;
mod users;
