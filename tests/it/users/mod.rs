//! The routes of `users-api`.

mod auth;
mod create;
mod delete;
mod list;
mod logout;
mod offers_of_user;
mod patch;
mod read;
mod refresh;
mod registry;
mod validation;
