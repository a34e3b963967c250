//! Points in time as clients see them.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, SelectionSet},
    registry::Registry,
};
use chrono::{DateTime, SecondsFormat, Utc};
use direct_json::{JsonWriter, WriteValue};
use serde::{Deserialize, Serialize};

use crate::Text;

/// A point in time in UTC, formatted once (RFC 3339): between a row and a client it passes two
/// services, and they rarely compute with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(Text);

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into())
    }
}

impl Timestamp {
    /// Returns the time; `None` if another service sent text that is none.
    #[must_use]
    pub fn to_utc(&self) -> Option<DateTime<Utc>> {
        self.0.decode().ok()?.parse().ok()
    }
}

impl WriteValue for Timestamp {
    fn write_value(&self, json: &mut JsonWriter<'_>, selection: &SelectionSet) -> Option<()> {
        self.0.write_value(json, selection)
    }
}

/// The scalar `DateTime`, as async-graphql defines it for `chrono`.
impl OutputType for Timestamp {
    fn type_name() -> Cow<'static, str> {
        <DateTime<Utc> as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <DateTime<Utc> as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        self.0.resolve(ctx, field).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_is_utc_with_microseconds() {
        let time: DateTime<Utc> = "2026-11-21T13:14:15.000250+02:00".parse().unwrap();
        let mut json = JsonWriter::default();
        assert_eq!(Timestamp::from(time).to_utc(), Some(time));
        Timestamp::from(time).write_value(&mut json, &SelectionSet::default());
        assert_eq!(json.into_bytes(), br#""2026-11-21T11:14:15.000250Z""#);
        assert!(serde_json::from_str::<Timestamp>("7").is_err());
    }
}
