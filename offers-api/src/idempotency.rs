//! Offers that are created once, however often the request is repeated: its `Idempotency-Key` is
//! kept for a day (draft-ietf-httpapi-idempotency-key-header-07).

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use entity::{keyed_offer, offer};
use schema::{Error, ErrorCode, Result};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter,
    SqlErr, sea_query::Expr,
};
use sha2::{Digest, Sha256};

use crate::graphql::offers::no_user;

/// For how long a key is kept.
const KEPT: TimeDelta = TimeDelta::days(1);
/// The most characters of a key.
const LENGTH: usize = 255;

/// The rule for a key.
pub(crate) fn rule(key: &str) -> Option<&'static str> {
    let fits = (1..=LENGTH).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    (!fits).then_some("must have 1 to 255 visible ASCII characters")
}

/// What creating an offer came to.
pub(crate) enum Created {
    /// There is a new offer.
    New(offer::Model),
    /// An earlier request with this key created it.
    Before(offer::Model),
}

/// Creates an offer unless the same request with this key has done so. The unique index decides,
/// so it does not matter which instance gets which of two requests at the same moment.
///
/// # Errors
/// `IDEMPOTENCY_KEY_REUSED` where the key came with another request, `USER_NOT_FOUND`.
pub(crate) async fn create(
    database: &DatabaseConnection,
    key: String,
    user_id: i64,
    title: String,
    text: String,
) -> Result<Created> {
    let fingerprint = fingerprint(&title, &text);
    let row = keyed_offer::ActiveModel {
        user_id: Set(user_id),
        title: Set(title),
        text: Set(text),
        created_at: Set(Utc::now().trunc_subsecs(6)),
        idempotency_key: Set(Some(key.clone())),
        fingerprint: Set(Some(fingerprint.clone())),
        ..Default::default()
    };
    // Once more where the key was found to be too old, or its offer was deleted meanwhile.
    for _ in 0..2 {
        match row.clone().insert(database).await {
            Ok(row) => return Ok(Created::New(row.into())),
            Err(error) => match error.sql_err() {
                Some(SqlErr::UniqueConstraintViolation(_)) => (),
                Some(SqlErr::ForeignKeyConstraintViolation(_)) => return Err(no_user()),
                _ => return Err(error.into()),
            },
        }
        let before = keyed_offer::Entity::find()
            .filter(keyed_offer::Column::UserId.eq(user_id))
            .filter(keyed_offer::Column::IdempotencyKey.eq(&*key))
            .one(database)
            .await?;
        match before {
            Some(before) if before.created_at < oldest() => forget(database).await.map(drop)?,
            Some(before) if before.fingerprint.as_ref() == Some(&fingerprint) => {
                return Ok(Created::Before(before.into()));
            }
            Some(_) => {
                let detail = "was used before, with another request";
                return Err(Error::invalid_field(
                    ErrorCode::IdempotencyKeyReused,
                    "/idempotencyKey",
                    detail,
                ));
            }
            None => (),
        }
    }
    let detail = "Other requests with this Idempotency-Key are under way.";
    Err(Error::new(ErrorCode::Busy, detail).retry_after(1))
}

/// Forgets the keys that have been kept long enough, and tells how many there were.
pub(crate) async fn forget(database: &DatabaseConnection) -> Result<u64> {
    let none = || Expr::value(Option::<String>::None);
    let swept = keyed_offer::Entity::update_many()
        .col_expr(keyed_offer::Column::IdempotencyKey, none())
        .col_expr(keyed_offer::Column::Fingerprint, none())
        .filter(keyed_offer::Column::IdempotencyKey.is_not_null())
        .filter(keyed_offer::Column::CreatedAt.lt(oldest()))
        .exec(database)
        .await?;
    Ok(swept.rows_affected)
}

fn oldest() -> DateTime<Utc> {
    Utc::now() - KEPT
}

/// The same for the same request alone: the length keeps title and text apart.
fn fingerprint(title: &str, text: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(title.len().to_be_bytes());
    hash.update(title);
    hash.update(text);
    BASE64_STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_visible() {
        for good in ["a", "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"", &"k".repeat(255)] {
            assert_eq!(rule(good), None, "{good}");
        }
        for bad in ["", " ", "a b", "ключ", "a\n", &"k".repeat(256)] {
            assert!(rule(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn fingerprints_tell_requests_apart() {
        assert_eq!(fingerprint("a", "b"), fingerprint("a", "b"));
        assert_ne!(fingerprint("ab", "c"), fingerprint("a", "bc"));
    }
}
