//! Amounts of money.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, Scalar, ScalarType, ServerResult, SimpleObject,
    Value,
    parser::types::{Field, SelectionSet},
    registry::Registry,
};
use direct_json::{JsonWriter, WriteValue};
use entity::offer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use utoipa::ToSchema;

direct_json::object! {
    /// An amount of money.
    #[derive(
        Clone, Copy, Debug, PartialEq, Eq, SimpleObject, Serialize, Deserialize, ToSchema,
    )]
    #[graphql(shareable)]
    pub struct Money {
        /// The number of minor units of the currency (ISO 4217): 1250 is 12.50 euros, or 1250 yen.
        #[schema(value_type = i64, minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 12000)]
        pub amount: BigInt,
        /// The code of the currency, three capital letters (ISO 4217).
        #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "EUR")]
        pub currency: Currency,
    }
}

impl Money {
    /// Returns the price in two columns, or `None` if one of them is null.
    pub(crate) fn from_columns(
        amount: Option<i64>,
        currency: Option<offer::CurrencyCode>,
    ) -> Option<Self> {
        Some(Self { amount: BigInt(amount?), currency: Currency(currency?) })
    }
}

/// An integer that JavaScript represents exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BigInt(pub i64);

impl BigInt {
    /// The greatest integer that a JSON number represents exactly in every client: 2^53 - 1
    /// (RFC 8259, section 6).
    pub const MAX: i64 = (1 << 53) - 1;
}

/// An integer from 0 to 2^53 - 1, serialized as a number.
#[Scalar(name = "BigInt")]
impl ScalarType for BigInt {
    fn parse(value: Value) -> async_graphql::InputValueResult<Self> {
        match &value {
            Value::Number(number) if number.is_i64() => {
                Ok(Self(number.as_i64().unwrap_or_default()))
            }
            _ => Err(async_graphql::InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        self.0.into()
    }
}

impl WriteValue for BigInt {
    fn write_value(&self, json: &mut JsonWriter<'_>, _: &SelectionSet) -> Option<()> {
        json.number(self.0);
        Some(())
    }
}

/// The code of a currency, as the GraphQL type `String`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency(pub offer::CurrencyCode);

impl WriteValue for Currency {
    fn write_value(&self, json: &mut JsonWriter<'_>, _: &SelectionSet) -> Option<()> {
        json.string(&self.0.to_string());
        Some(())
    }
}

impl OutputType for Currency {
    fn type_name() -> Cow<'static, str> {
        <String as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <String as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        _: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        Ok(Value::String(self.0.to_string()))
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Reads a code from JSON text that does not escape it.
impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&str>::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_price_needs_no_more_memory() {
        assert_eq!(size_of::<Option<Money>>(), size_of::<Money>());
        assert_eq!(size_of::<Money>(), 16);
    }

    #[test]
    fn price_is_read_as_it_is_written() {
        let json = r#"{"amount":9007199254740991,"currency":"EUR"}"#;
        let price: Money = serde_json::from_str(json).unwrap();
        assert_eq!(price.amount.0, BigInt::MAX);
        assert_eq!(serde_json::to_string(&price).unwrap(), json);
        for bad in ["EURO", "EU", "€", "\\u0000AB", ""] {
            let json = format!(r#"{{"amount":1,"currency":"{bad}"}}"#);
            assert!(serde_json::from_str::<Money>(&json).is_err(), "{bad}");
        }
    }
}
