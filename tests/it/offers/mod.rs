//! The routes of `offers-api`.

mod create;
mod pages;
mod read;
