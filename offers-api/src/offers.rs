//! Offers: the input that clients send, and the rules for reading, creating, updating and deleting.

use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_graphql::{ID, InputObject, MaybeUndefined};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use entity::{offer, update_row_if};
use schema::{
    AnswerBudget, BigInt, Currency, Error, ErrorCode, FieldErrors, LoadOwned, LoadWithinBudget,
    Money, Offer, OfferStatus, Result, Viewer,
    db_availability::retry_on_conflict,
    precondition,
    validation::{nullable_column, text as validated_text},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{self, NotSet, Set},
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, Func},
};
use server::security_log::{Action, SecurityEvent};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::{
    OffersState,
    idempotency::{self, Created},
    validation,
};

/// The actions of this service in the security log, which are refused by the access rules alone.
pub(crate) const CREATE_OFFER: Action = Action { name: "create_offer", failure: "authz_fail" };
pub(crate) const UPDATE_OFFER: Action = Action { name: "update_offer", failure: "authz_fail" };
pub(crate) const DELETE_OFFER: Action = Action { name: "delete_offer", failure: "authz_fail" };

/// The smallest difference of two times that both databases store.
const TIME_STEP: TimeDelta = TimeDelta::microseconds(1);

/// A new offer.
#[derive(Debug, InputObject, ToSchema)]
pub(crate) struct CreateOfferInput {
    /// The identifier of the user who makes the offer.
    #[schema(value_type = i64, minimum = 1, example = 1)]
    user_id: ID,
    /// The title, one line of 1 to 200 characters.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001F\u007F-\u009F]+$",
        example = "Bicycle"
    )]
    title: String,
    /// The text, 1 to 20000 characters.
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]+$",
        example = "Blue, hardly used."
    )]
    text: String,
    /// The price, if there is one.
    price: Option<MoneyInput>,
    /// An idempotency key, 1 to 255 visible ASCII characters. For 24 hours, a repetition of the
    /// request with this key returns the original offer, or an error if it was deleted.
    // REST takes it from a header.
    #[schema(ignore)]
    idempotency_key: Option<String>,
}

/// An amount of money.
#[derive(Debug, InputObject, ToSchema)]
pub(crate) struct MoneyInput {
    /// The number of minor units of the currency (ISO 4217), 0 to 2^53 - 1: 1250 is 12.50 euros, or
    /// 1250 yen.
    #[schema(value_type = i64, minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 12000)]
    amount: BigInt,
    /// The code of the currency, three capital letters (ISO 4217).
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
}

impl MoneyInput {
    /// Validates the amount and the currency. Returns `None` if the currency is none.
    fn validate(fields: &mut FieldErrors, pointer: &str, input: &Self) -> Option<Money> {
        let Self { amount, currency } = input;
        if let Some(detail) = validation::amount(*amount) {
            fields.push(&format!("{pointer}/amount"), detail);
        }
        fields.check(&format!("{pointer}/currency"), currency, validation::currency);
        Some(Money { amount: *amount, currency: Currency(currency.parse().ok()?) })
    }
}

/// Fields of an offer to update; omitted fields are unchanged.
#[derive(Debug, InputObject, ToSchema)]
pub(crate) struct UpdateOfferInput {
    /// The title, one line of 1 to 200 characters.
    #[schema(
        value_type = String,
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001F\u007F-\u009F]+$",
        example = "Bicycle"
    )]
    title: MaybeUndefined<String>,
    /// The text, 1 to 20000 characters.
    #[schema(
        value_type = String,
        required = false,
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]+$",
        example = "Blue, hardly used."
    )]
    text: MaybeUndefined<String>,
    /// The price; null removes it.
    #[schema(value_type = Option<MoneyInput>)]
    price: MaybeUndefined<MoneyInput>,
    /// The state of the offer.
    #[schema(value_type = OfferStatus, required = false)]
    status: MaybeUndefined<OfferStatus>,
}

/// Valid input for a new offer, with the time of its creation. Two with the same content are two
/// offers. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct NewOffer {
    /// Identifies the offer in a batch.
    batch_key: u64,
    user_id: i64,
    price: Option<Money>,
    input: Arc<CreateOfferInput>,
    created_at: DateTime<Utc>,
}

// Each method destructures the input without `..`, so that a new field does not compile before it
// is validated, inserted, compared and part of the fingerprint.
impl NewOffer {
    /// Validates the input.
    ///
    /// # Errors
    /// `INVALID_INPUT` with each bad field.
    pub(crate) fn validate(input: CreateOfferInput) -> Result<Self> {
        static BATCH_KEYS: AtomicU64 = AtomicU64::new(0);
        let CreateOfferInput { user_id, title, text, price, idempotency_key } = &input;
        let mut fields = FieldErrors::default();
        let user_id = fields.id("/userId", user_id);
        fields.check("/title", title, validation::title);
        fields.check("/text", text, validation::text);
        let price =
            price.as_ref().and_then(|price| MoneyInput::validate(&mut fields, "/price", price));
        if let Some(key) = idempotency_key {
            fields.check("/idempotencyKey", key, validation::idempotency_key);
        }
        fields.into_result()?;
        Ok(Self {
            batch_key: BATCH_KEYS.fetch_add(1, Ordering::Relaxed),
            user_id,
            price,
            input: Arc::new(input),
            created_at: Utc::now().trunc_subsecs(6),
        })
    }

    pub(crate) fn user_id(&self) -> i64 {
        self.user_id
    }

    pub(crate) fn idempotency_key(&self) -> Option<&str> {
        self.input.idempotency_key.as_deref()
    }

    /// Returns the row to insert.
    pub(crate) fn row(&self) -> offer::ActiveModel {
        let CreateOfferInput { user_id: _, title, text, price: _, idempotency_key: _ } =
            &*self.input;
        offer::ActiveModel {
            id: NotSet,
            user_id: Set(self.user_id),
            title: Set(title.clone()),
            text: Set(text.clone()),
            created_at: Set(self.created_at),
            price_amount: Set(self.price.map(|price| price.amount.0)),
            price_currency: Set(self.price.map(|price| price.currency.0)),
            status: NotSet,
            updated_at: NotSet,
        }
    }

    /// Returns true if the row has the same content. The row of another offer with the same content
    /// is as good.
    pub(crate) fn matches(&self, row: &offer::Model) -> bool {
        let CreateOfferInput { user_id: _, title, text, price: _, idempotency_key: _ } =
            &*self.input;
        self.created_at == row.created_at
            && self.user_id == row.user_id
            && *title == row.title
            && *text == row.text
            && self.price.map(|price| price.amount.0) == row.price_amount
            && self.price.map(|price| price.currency.0) == row.price_currency
    }

    /// Returns a hash that only the same request has. Lengths separate one field from the next. It
    /// is stored for a day: a new field must not change the hash of a request without it.
    pub(crate) fn fingerprint(&self) -> String {
        // The user and the key find the row that has the fingerprint.
        let CreateOfferInput { user_id: _, title, text, price: _, idempotency_key: _ } =
            &*self.input;
        let mut hash = Sha256::new();
        hash.update(title.len().to_be_bytes());
        hash.update(title);
        hash.update(text);
        // Text has no NUL. All that follows it has a fixed length.
        if let Some(Money { amount, currency }) = self.price {
            hash.update("\0price");
            hash.update(amount.0.to_be_bytes());
            hash.update(currency.0.as_bytes());
        }
        BASE64_STANDARD.encode(hash.finalize())
    }
}

impl PartialEq for NewOffer {
    fn eq(&self, other: &Self) -> bool {
        self.batch_key == other.batch_key
    }
}

impl Eq for NewOffer {}

impl Hash for NewOffer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.batch_key.hash(state);
    }
}

/// Valid fields of an offer to update, as changes of their columns.
#[derive(Clone, Debug)]
pub(crate) struct OfferChange {
    title: ActiveValue<String>,
    text: ActiveValue<String>,
    price: MaybeUndefined<Money>,
    status: ActiveValue<offer::Status>,
}

impl OfferChange {
    /// Validates the input.
    ///
    /// # Errors
    /// `INVALID_INPUT` with each bad field.
    pub(crate) fn validate(input: UpdateOfferInput) -> Result<Self> {
        let UpdateOfferInput { title, text, price, status } = input;
        let mut fields = FieldErrors::default();
        let title = fields.check_change("/title", title, validated_text(validation::title));
        let text = fields.check_change("/text", text, validated_text(validation::text));
        let price = fields.check_nullable_change("/price", price, |fields, pointer, price| {
            MoneyInput::validate(fields, pointer, &price)
        });
        let status = fields.check_change("/status", status, |_, _, status| Some(status.into()));
        fields.into_result()?;
        Ok(Self { title, text, price, status })
    }

    /// Returns the changed columns, with the time of the update unless nothing changes.
    fn row(self, id: i64, now: DateTime<Utc>) -> offer::ActiveModel {
        let Self { title, text, price, status } = self;
        let mut row = offer::ActiveModel {
            id: NotSet,
            user_id: NotSet,
            title,
            text,
            created_at: NotSet,
            price_amount: nullable_column(price, |price| price.amount.0),
            price_currency: nullable_column(price, |price| price.currency.0),
            status,
            updated_at: NotSet,
        };
        if row.is_changed() {
            row.updated_at = Set(Some(now));
        }
        row.id = Set(id);
        row
    }
}

impl OffersState {
    /// Loads an offer within the budget of the answer, or returns `None` if there is none with this
    /// id.
    pub(crate) async fn find(
        &self,
        budget: Option<&AnswerBudget>,
        id: Option<i64>,
    ) -> Result<Option<Offer>> {
        match id {
            Some(id) => self.offer_by_id.load_within_budget(budget, id).await,
            None => Ok(None),
        }
    }

    /// Loads an offer for another subgraph, as [`Self::find`] does.
    pub(crate) async fn find_by_key(
        &self,
        budget: Option<&AnswerBudget>,
        id: Option<i64>,
    ) -> Result<Option<Offer>> {
        match id {
            Some(id) => self.offer_by_key.load_within_budget(budget, id).await,
            None => Ok(None),
        }
    }

    /// Requires a token in strict mode. A rejection is logged.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`.
    pub(crate) fn require_token(&self, action: Action, viewer: Viewer) -> Result<()> {
        let token = viewer.require_authenticated_if_strict(self.security);
        token.inspect_err(|error| SecurityEvent::new(action).log_refusal(error))
    }

    /// Requires that the viewer may change the offer, and returns its id. A rejection is logged.
    ///
    /// # Errors
    /// `NOT_FOUND`, `UNAUTHENTICATED`, `FORBIDDEN`.
    pub(crate) async fn authorize_owner(
        &self,
        action: Action,
        id: Option<i64>,
        viewer: Viewer,
    ) -> Result<i64> {
        let offer = self.find(None, id).await?.ok_or_else(offer_not_found)?;
        viewer.authorize_as(self.security, offer.user_id.0).inspect_err(|error| {
            SecurityEvent::new(action).user(offer.user_id.0).actor(viewer).log_refusal(error);
        })?;
        Ok(offer.id.0)
    }

    /// Creates an offer, unless it has an idempotency key and a repetition of the request has
    /// created it before.
    ///
    /// # Errors
    /// `USER_NOT_FOUND`, `IDEMPOTENCY_KEY_REUSED`.
    pub(crate) async fn create(&self, new: NewOffer) -> Result<Offer> {
        let offer = if let Some(key) = new.idempotency_key() {
            match idempotency::create_once(&self.database, &new, key).await? {
                Created::New(offer) => offer,
                Created::Replayed(offer) => {
                    // The request that created it may have ended before it recorded that.
                    self.reads.record_write();
                    return Ok(offer);
                }
            }
        } else {
            let created = self.create_offer.load_owned(new).await?;
            created.ok_or_else(|| Error::internal("the database did not return a new offer"))??
        };
        self.reads.record_write();
        self.feed.publish(&offer);
        Ok(offer)
    }

    /// Updates an offer, or only if its last update was at `seen`. Each update has a later time than
    /// the one before, so the time identifies the state of the offer.
    ///
    /// # Errors
    /// `NOT_FOUND`, `PRECONDITION_FAILED`.
    pub(crate) async fn update(
        &self,
        id: i64,
        change: OfferChange,
        seen: Option<DateTime<Utc>>,
    ) -> Result<Offer> {
        let mut last = seen;
        loop {
            let now = last.map_or_else(Utc::now, |last| Ord::max(Utc::now(), last + TIME_STEP));
            let now = now.trunc_subsecs(6);
            let condition =
                seen.map_or_else(|| last_update().lt(now), |seen| last_update().eq(seen));
            let condition = Condition::all().add(condition);
            let row = change.clone().row(id, now);
            let update = || update_row_if(row.clone(), condition.clone(), &self.database);
            match retry_on_conflict(update).await {
                Err(DbErr::RecordNotUpdated) => (),
                updated => {
                    let row = updated?;
                    self.reads.record_write();
                    return Ok(row.into());
                }
            }
            // It does not exist, or another update was faster.
            let row = offer::Entity::find_by_id(id).one(&self.database).await?;
            let row = row.ok_or_else(offer_not_found)?;
            if seen.is_some() {
                return Err(precondition::failed());
            }
            last = Some(row.updated_at.unwrap_or(row.created_at));
        }
    }

    /// Deletes an offer, or only if its last update was at `seen`.
    ///
    /// # Errors
    /// `NOT_FOUND`, `PRECONDITION_FAILED`.
    pub(crate) async fn delete(&self, id: i64, seen: Option<DateTime<Utc>>) -> Result<()> {
        let mut delete = offer::Entity::delete_many().filter(offer::Column::Id.eq(id));
        if let Some(seen) = seen {
            delete = delete.filter(last_update().eq(seen));
        }
        match retry_on_conflict(|| delete.clone().exec(&self.database)).await?.rows_affected {
            0 if seen.is_some() => Err(precondition::failed()),
            0 => Err(offer_not_found()),
            _ => {
                self.reads.record_write();
                Ok(())
            }
        }
    }
}

/// Returns the time of the last update of a row, or of its creation.
fn last_update() -> Expr {
    Func::coalesce([offer::Column::UpdatedAt, offer::Column::CreatedAt].map(Expr::col)).into()
}

/// Creates the error for an unknown user.
pub(crate) fn user_not_found() -> Error {
    let detail = "does not refer to an existing user";
    Error::invalid_field(ErrorCode::UserNotFound, "/userId", detail)
}

/// Creates the error for an unknown offer.
pub(crate) fn offer_not_found() -> Error {
    Error::not_found("There is no such offer.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(title: &str, text: &str, price: Option<(i64, &str)>) -> String {
        let input = CreateOfferInput {
            user_id: "7".into(),
            title: title.to_owned(),
            text: text.to_owned(),
            price: price.map(|(amount, currency)| MoneyInput {
                amount: BigInt(amount),
                currency: currency.to_owned(),
            }),
            idempotency_key: None,
        };
        NewOffer::validate(input).unwrap().fingerprint()
    }

    #[test]
    fn fingerprint_distinguishes_requests() {
        assert_eq!(fingerprint("a", "b", None), fingerprint("a", "b", None));
        assert_ne!(fingerprint("ab", "c", None), fingerprint("a", "bc", None));
        let priced = |amount, currency| fingerprint("a", "b", Some((amount, currency)));
        assert_eq!(priced(1, "EUR"), priced(1, "EUR"));
        for other in [priced(2, "EUR"), priced(1, "USD"), fingerprint("a", "b", None)] {
            assert_ne!(priced(1, "EUR"), other);
        }
    }

    /// Fingerprints of a day are in the database.
    #[test]
    fn fingerprint_stays_the_same() {
        let fingerprint = fingerprint("Bicycle", "Blue, hardly used.", None);
        assert_eq!(fingerprint, "nHfV+s789Z8iVZXkwXM2x0Yo8b9399PrrI8UPD6LioU=");
    }
}
