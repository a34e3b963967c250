//! offers-api
