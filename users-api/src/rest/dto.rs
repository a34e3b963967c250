//! What REST clients get.

use chrono::{DateTime, Utc};
use utoipa::ToSchema;

/// A user, without their offers.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes an answer")]
pub(crate) struct User {
    /// The identifier of the user.
    #[schema(example = 1)]
    id: i64,
    /// The name to log in with.
    #[schema(example = "alice")]
    username: String,
    /// The email address; in strict mode its own user alone sees it.
    #[schema(example = "alice@example.org")]
    email: Option<String>,
    /// When the user registered.
    created_at: DateTime<Utc>,
}

/// What a user offers.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes an answer")]
pub(crate) struct Offer {
    /// The identifier of the offer.
    #[schema(example = 1)]
    id: i64,
    /// The user who offers.
    #[schema(example = 1)]
    user_id: i64,
    /// What is offered, in one line.
    #[schema(example = "Bicycle")]
    title: String,
    /// What is offered.
    #[schema(example = "Blue, hardly used.")]
    text: String,
    /// When the offer was created.
    created_at: DateTime<Utc>,
}
