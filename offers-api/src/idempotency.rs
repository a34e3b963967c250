//! Offers that are created once, however often the request is repeated: its `Idempotency-Key` is
//! kept for a day (draft-ietf-httpapi-idempotency-key-header-07).

use chrono::{DateTime, TimeDelta, Utc};
use entity::{insert_row, offer};
use schema::{Error, ErrorCode, Offer, Result};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, SqlErr, sea_query::Expr};

use crate::offers::{NewOffer, user_not_found};

/// Lifetime of a key.
const KEY_TTL: TimeDelta = TimeDelta::days(1);

/// The result of [`create_once`].
pub(crate) enum Created {
    /// A new offer.
    New(Offer),
    /// The offer that an earlier request with the same key has created.
    Replayed(Offer),
}

/// Creates an offer with a key unless the same request has done so. The unique index decides, so
/// two requests of the same moment may reach different instances.
///
/// # Errors
/// `IDEMPOTENCY_KEY_REUSED` if another request had this key, `USER_NOT_FOUND`, `BUSY`.
pub(crate) async fn create_once(database: &DatabaseConnection, new: &NewOffer) -> Result<Created> {
    let row = new.row();
    // The second time if the key has expired, or its offer was deleted meanwhile.
    for _ in 0..2 {
        match insert_row(row.clone(), database).await {
            Ok(row) => return Ok(Created::New(row.into())),
            Err(error) => match error.sql_err() {
                Some(SqlErr::UniqueConstraintViolation(_)) => (),
                Some(SqlErr::ForeignKeyConstraintViolation(_)) => return Err(user_not_found()),
                _ => return Err(error.into()),
            },
        }
        let earlier = offer::Entity::find()
            .filter(offer::Column::UserId.eq(new.user_id()))
            .filter(offer::Column::IdempotencyKey.eq(new.idempotency_key()))
            .one(database)
            .await?;
        match earlier {
            Some(earlier) if earlier.created_at < cutoff() => {
                expire_keys(database).await.map(drop)?;
            }
            Some(earlier) if earlier.fingerprint == Some(new.fingerprint()) => {
                return Ok(Created::Replayed(earlier.into()));
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

/// Clears the keys that have expired, and returns their number.
pub(crate) async fn expire_keys(database: &DatabaseConnection) -> Result<u64> {
    let null = || Expr::value(Option::<String>::None);
    let cleared = offer::Entity::update_many()
        .col_expr(offer::Column::IdempotencyKey, null())
        .col_expr(offer::Column::Fingerprint, null())
        .filter(offer::Column::IdempotencyKey.is_not_null())
        .filter(offer::Column::CreatedAt.lt(cutoff()))
        .exec(database)
        .await?;
    Ok(cleared.rows_affected)
}

/// Returns the time before which keys have expired.
fn cutoff() -> DateTime<Utc> {
    Utc::now() - KEY_TTL
}
