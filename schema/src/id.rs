//! Identifiers: positive 64-bit integers, which GraphQL carries as text.

use async_graphql::ID;
use serde::{Deserialize, Deserializer, de::Error};

/// The number in an `ID`, or nothing where it is none that a row could have.
#[must_use]
pub fn parse(id: &str) -> Option<i64> {
    let plain = id.bytes().all(|byte| byte.is_ascii_digit());
    id.parse().ok().filter(|number| plain && *number > 0)
}

/// The number as an `ID`.
#[must_use]
pub fn to_graphql_id(id: i64) -> ID {
    ID(id.to_string())
}

/// An id as GraphQL carries it, read out of JSON that is at hand as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdString(pub i64);

impl<'de> Deserialize<'de> for IdString {
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
