//! Offers that are created once, however often the request is repeated: its `Idempotency-Key` is
//! kept for a day (draft-ietf-httpapi-idempotency-key-header-07), even if the offer is deleted.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{begin_write, idempotency_key, insert_row, offer};
use schema::{Error, ErrorCode, Offer, Result, db_availability::retry_on_conflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, SqlErr,
};
use server::telemetry;

use crate::offers::{NewOffer, user_not_found};

/// Lifetime of a key.
const KEY_TTL: TimeDelta = TimeDelta::days(1);

/// The result of [`create_once`].
pub(crate) enum Created {
    /// A new offer.
    New(Offer),
    /// The offer that an earlier request with the same key has created, as it is now.
    Replayed(Offer),
}

/// Creates an offer with a key unless the same request has done so. The primary key of the keys
/// decides, so two requests of the same moment may reach different instances.
///
/// # Errors
/// `IDEMPOTENCY_KEY_REUSED` if another request had this key, or if its offer was deleted,
/// `USER_NOT_FOUND`, `BUSY`.
pub(crate) async fn create_once(
    database: &DatabaseConnection,
    new: &NewOffer,
    key: &str,
) -> Result<Created> {
    // The second time if a concurrent request was faster.
    for _ in 0..2 {
        let earlier = idempotency_key::Entity::find_by_id((new.user_id(), key.to_owned()));
        match earlier.one(database).await? {
            Some(earlier) if earlier.created_at >= cutoff() => {
                return replay(database, &earlier, new).await.map(Created::Replayed);
            }
            Some(_) => expire_keys(database).await.map(drop)?,
            None => (),
        }
        let (database, new, key) = (database.clone(), new.clone(), key.to_owned());
        let insert =
            async move { retry_on_conflict(|| insert_with_key(&database, &new, &key)).await };
        // Spawned: a transaction whose client disconnects half way can poison its connection
        // (sqlx issue 4393).
        match telemetry::spawn_instrumented(insert).await.map_err(Error::internal)? {
            Ok(row) => return Ok(Created::New(row.into())),
            Err(error) => match error.sql_err() {
                Some(SqlErr::UniqueConstraintViolation(_)) => (),
                Some(SqlErr::ForeignKeyConstraintViolation(_)) => return Err(user_not_found()),
                _ => return Err(error.into()),
            },
        }
    }
    let detail = "Other requests with this Idempotency-Key are under way.";
    Err(Error::new(ErrorCode::Busy, detail).retry_after(1))
}

/// Returns the offer of an earlier request if it was the same.
async fn replay(
    database: &DatabaseConnection,
    earlier: &idempotency_key::Model,
    new: &NewOffer,
) -> Result<Offer> {
    if earlier.fingerprint != new.fingerprint() {
        let detail = "was used before, with another request";
        return Err(Error::invalid_field(
            ErrorCode::IdempotencyKeyReused,
            "/idempotencyKey",
            detail,
        ));
    }
    let row = offer::Entity::find_by_id(earlier.offer_id).one(database).await?;
    row.map(Offer::from).ok_or_else(|| {
        let detail = "The request with this Idempotency-Key created an offer that was deleted.";
        Error::new(ErrorCode::IdempotencyKeyReused, detail)
    })
}

async fn insert_with_key(
    database: &DatabaseConnection,
    new: &NewOffer,
    key: &str,
) -> Result<offer::Model, DbErr> {
    let transaction = begin_write(database).await?;
    let row = insert_row(new.row(), &transaction).await?;
    let key = idempotency_key::ActiveModel {
        user_id: Set(row.user_id),
        key: Set(key.to_owned()),
        fingerprint: Set(new.fingerprint()),
        offer_id: Set(row.id),
        created_at: Set(row.created_at),
    };
    idempotency_key::Entity::insert(key).exec_without_returning(&transaction).await?;
    transaction.commit().await?;
    Ok(row)
}

/// Deletes the keys that have expired, and returns their number.
pub(crate) async fn expire_keys(database: &DatabaseConnection) -> Result<u64> {
    let deleted = idempotency_key::Entity::delete_many()
        .filter(idempotency_key::Column::CreatedAt.lt(cutoff()))
        .exec(database)
        .await?;
    Ok(deleted.rows_affected)
}

/// Returns the time before which keys have expired.
fn cutoff() -> DateTime<Utc> {
    Utc::now() - KEY_TTL
}
