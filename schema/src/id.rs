//! Identifiers: positive 64-bit integers, which GraphQL carries as strings.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, ID, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, SelectionSet},
    registry::Registry,
};
use direct_json::{JsonWriter, Notation, WriteValue};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// An identifier, as the GraphQL type `ID`. The [`Notation`] of a request decides whether it is a
/// string or a number, however the response is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Id(pub i64);

/// Returns the number of a GraphQL `ID`, or `None` unless it is a positive decimal `i64`.
#[must_use]
pub fn parse(id: &str) -> Option<i64> {
    let plain = id.bytes().all(|byte| byte.is_ascii_digit());
    id.parse().ok().filter(|number| plain && *number > 0)
}

impl From<i64> for Id {
    fn from(id: i64) -> Self {
        Self(id)
    }
}

impl WriteValue for Id {
    fn write_value(&self, json: &mut JsonWriter<'_>, _: &SelectionSet) -> Option<()> {
        json.id(self.0);
        Some(())
    }
}

impl OutputType for Id {
    fn type_name() -> Cow<'static, str> {
        <ID as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <ID as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        Ok(match ctx.data_opt().copied().unwrap_or_default() {
            Notation::GraphQl => Value::from(self.0.to_string()),
            Notation::Rest => Value::from(self.0),
        })
    }
}

/// Reads a GraphQL `ID` from JSON text that does not escape it.
impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = parse(<&str>::deserialize(deserializer)?);
        id.map(Self).ok_or_else(|| D::Error::custom("not an id"))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_positive_decimal_numbers_are_ids() {
        assert_eq!(super::parse("9223372036854775807"), Some(i64::MAX));
        for bad in ["", "0", "-1", "+1", "1.0", " 1", "x", "9223372036854775808"] {
            assert_eq!(super::parse(bad), None, "{bad}");
        }
    }
}
