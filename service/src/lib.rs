//! What both servers share, and no domain.

pub mod auth;
pub mod problem;
