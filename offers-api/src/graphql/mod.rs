//! The resolvers: each validates its input, authorizes the viewer and calls a rule.

pub(crate) mod offers;
pub(crate) mod subscriptions;
pub(crate) mod users;
