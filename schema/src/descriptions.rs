//! Descriptions of scalar types that async-graphql defines.
//!
//! A description belongs to a type of the schema by its name: [`Id`](crate::Id) is an `ID`,
//! [`Timestamp`](crate::Timestamp) a `DateTime`.

use async_graphql::{ID, SchemaBuilder};
use chrono::{DateTime, Utc};

/// Describes the scalar types that both schemas share.
#[must_use]
pub fn describe_shared_types<Q, M, S>(builder: SchemaBuilder<Q, M, S>) -> SchemaBuilder<Q, M, S> {
    builder
        .override_output_type_description::<ID>(
            "The identifier of an object: a positive 64-bit integer, serialized as a string.",
        )
        .override_output_type_description::<DateTime<Utc>>(
            "A time in UTC in RFC 3339 format, such as `2026-11-21T18:30:00Z`.",
        )
}
