//! The routes of `offers-api`.

mod create;
mod delete;
mod get;
mod pages;
mod patch;
mod read;
