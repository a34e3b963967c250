//! The table `offers`.
#![allow(missing_docs, reason = "columns are named after their content")]
#![allow(clippy::disallowed_methods, reason = "of the derived code, which nothing calls")]

use std::{num::NonZeroU8, str};

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "offers")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub user_id: i64,
    pub title: String,
    #[sea_orm(column_type = "Text")]
    pub text: String,
    pub created_at: DateTimeUtc,
    /// The price in the minor unit of its currency. Null with the currency.
    pub price_amount: Option<i64>,
    pub price_currency: Option<CurrencyCode>,
    pub status: Status,
    /// The time of the last update, null before the first.
    pub updated_at: Option<DateTimeUtc>,
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: HasOne<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// The state of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
pub enum Status {
    /// The default of the column.
    #[sea_orm(num_value = 0)]
    Open,
    #[sea_orm(num_value = 1)]
    Closed,
}

/// A currency code of three ASCII characters, as in ISO 4217. It has no zero bytes, so that an
/// optional price needs no more memory than a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, DeriveValueType)]
#[sea_orm(value_type = "String", column_type = "String(StringLen::N(3))")]
pub struct CurrencyCode([NonZeroU8; 3]);

impl CurrencyCode {
    /// Returns the code.
    #[must_use]
    pub fn as_bytes(self) -> [u8; 3] {
        self.0.map(NonZeroU8::get)
    }
}

impl str::FromStr for CurrencyCode {
    type Err = InvalidCurrency;

    fn from_str(code: &str) -> Result<Self, InvalidCurrency> {
        let bytes: [u8; 3] = code.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        let [a, b, c] = bytes.map(|byte| NonZeroU8::new(byte).filter(|byte| byte.get().is_ascii()));
        match (a, b, c) {
            (Some(a), Some(b), Some(c)) => Ok(Self([a, b, c])),
            _ => Err(InvalidCurrency),
        }
    }
}

impl std::fmt::Display for CurrencyCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.as_bytes()))
    }
}

/// A text that is no [`CurrencyCode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCurrency;

impl std::error::Error for InvalidCurrency {}

impl std::fmt::Display for InvalidCurrency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a currency has three ASCII characters")
    }
}
