//! The fields of a user that clients see: the one list that users-api reads, writes and describes.

use crate::{Id, Timestamp, rows::table_object};

table_object! {
    user hiding username_key, email_key, password_hash;
    /// A registered user.
    #[graphql(name = "UserFields")]
    pub struct User {
        /// The identifier of the user.
        #[schema(value_type = i64, example = 1)]
        pub id: Id,
        /// The name to log in with, unique regardless of case and Unicode form.
        #[schema(example = "alice")]
        pub username: String,
        /// The email address, unique regardless of case. In strict mode only the user sees it.
        #[schema(example = "alice@example.org")]
        pub email: Option<String>,
        /// The time of registration, in UTC.
        #[schema(value_type = chrono::DateTime<chrono::Utc>)]
        pub created_at: Timestamp,
    }
}
