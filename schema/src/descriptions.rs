//! What types say of themselves that are not ours.

use async_graphql::{ID, SchemaBuilder};
use chrono::{DateTime, Utc};

/// Describes the types that both schemas share.
#[must_use]
pub fn describe_shared_types<Q, M, S>(builder: SchemaBuilder<Q, M, S>) -> SchemaBuilder<Q, M, S> {
    builder
        .override_output_type_description::<ID>(
            "The identifier of an object: a positive integer of 64 bits, which answers show as text.",
        )
        .override_output_type_description::<DateTime<Utc>>(
            "A time in UTC as RFC 3339 writes it, such as `2026-11-21T18:30:00Z`.",
        )
}
