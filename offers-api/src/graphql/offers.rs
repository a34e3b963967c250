//! Offers: their fields, their rules, and what can be done with them.

use std::sync::Arc;

use async_graphql::{
    Context, ID, InputObject, MaybeUndefined, Object, connection::Connection, parser::types::Field,
};
use entity::offer;
use schema::{
    DirectJson, Error, ErrorCode, FieldErrors, JsonWriter, PageRequest, PrefetchedOffers, Result,
    Timestamp, Viewer, WriteJson, id, pagination, prefetch, validation,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, EntityTrait};
use utoipa::ToSchema;

use crate::{
    OffersState,
    batch_insert::New,
    graphql::users::User,
    idempotency::{self, Created},
};

/// A page of offers, oldest first.
pub(crate) type OfferConnection = Connection<pagination::Cursor, DirectJson<Offer>>;

/// What a user offers, as a client sees it.
pub(crate) struct Offer(offer::Model);

impl From<offer::Model> for Offer {
    fn from(row: offer::Model) -> Self {
        Self(row)
    }
}

/// What a user offers.
#[Object(shareable)]
impl Offer {
    /// The identifier of the offer.
    async fn id(&self) -> ID {
        id::to_graphql_id(self.0.id)
    }

    /// What is offered, in one line of 1 to 200 characters.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// What is offered, in 1 to 20000 characters.
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// When the offer was created, in UTC.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at.into()
    }

    /// The identifier of the user who offers.
    async fn user_id(&self) -> ID {
        id::to_graphql_id(self.0.user_id)
    }

    /// The user who offers.
    async fn user(&self) -> DirectJson<User> {
        DirectJson(User::new(self.0.user_id, PrefetchedOffers::default()))
    }
}

impl WriteJson for Offer {
    fn write(&self, field: &Field, json: &mut JsonWriter) -> Option<()> {
        match field.name.node.as_str() {
            "id" => json.id(self.0.id),
            "title" => json.text(&self.0.title),
            "text" => json.text(&self.0.text),
            "createdAt" => json.text(Timestamp::from(self.0.created_at).as_str()),
            "userId" => json.id(self.0.user_id),
            _ => return None,
        }
        Some(())
    }
}

/// A new offer.
#[derive(InputObject, ToSchema)]
pub(crate) struct CreateOfferInput {
    /// The user who offers.
    #[schema(value_type = i64, minimum = 1, example = 1)]
    user_id: ID,
    /// What is offered, in one line of 1 to 200 characters.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001F\u007F-\u009F]+$",
        example = "Bicycle"
    )]
    title: String,
    /// What is offered, in 1 to 20000 characters.
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]+$",
        example = "Blue, hardly used."
    )]
    text: String,
    /// Idempotency key: 1 to 255 visible ASCII characters. For 24 hours, repeating the request with
    /// this key returns the original offer.
    #[schema(ignore)]
    idempotency_key: Option<String>,
}

impl CreateOfferInput {
    /// Applies the rules for a new offer.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names each bad field.
    pub(crate) fn validate(&self) -> Result<()> {
        let mut errors = FieldErrors::default();
        if id::parse(&self.user_id).is_none() {
            errors.push("/userId", "must be a positive integer");
        }
        errors.check("/title", &self.title, title);
        errors.check("/text", &self.text, text);
        if let Some(key) = &self.idempotency_key {
            errors.check("/idempotencyKey", key, idempotency::rule);
        }
        errors.into_result()
    }
}

/// Fields of an offer to update. Omitted fields are unchanged.
#[derive(InputObject)]
pub(crate) struct UpdateOfferInput {
    /// What is offered, in one line of 1 to 200 characters.
    title: MaybeUndefined<String>,
    /// What is offered, in 1 to 20000 characters.
    text: MaybeUndefined<String>,
}

/// The root of queries. An error of a field that can be null must be inside of the `Option`: it
/// stays at the field then, as GraphQL has it (section 6.4.4), and does not take its parent along.
#[derive(Default)]
pub(crate) struct OfferQuery;

/// What can be asked.
#[Object(name = "Query")]
impl OfferQuery {
    /// The offer with this identifier, or null.
    async fn offer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The identifier of the offer.")] id: ID,
    ) -> Option<Result<DirectJson<Offer>>> {
        OffersState::from_ctx(ctx).find(&id).await.transpose()
    }

    /// The offers of a user, oldest first.
    #[graphql(complexity = "schema::limits::page_complexity(first, last, child_complexity)")]
    async fn offers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose offers.")] user_id: ID,
        #[graphql(desc = "How many from the start, at most 1000.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, at most 1000.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<DirectJson<OfferConnection>> {
        let user = validation::user_id("/userId", &user_id)?;
        let page = PageRequest::new(first, after.as_deref(), last, before.as_deref())?;
        OffersState::from_ctx(ctx).page(user, page.shown(&ctx.look_ahead())).await.map(DirectJson)
    }

    /// Every code that an error can carry as `extensions.code`, and a failure of REST as `code`.
    #[graphql(shareable)]
    async fn error_codes(&self) -> &'static [ErrorCode] {
        ErrorCode::ALL
    }

    /// Resolves an offer that another subgraph names.
    #[graphql(entity)]
    async fn find_offer_by_id(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<Option<DirectJson<Offer>>> {
        OffersState::from_ctx(ctx).find(&id).await
    }

    /// Resolves a user that another subgraph names.
    #[graphql(entity)]
    async fn find_user_by_id(&self, ctx: &Context<'_>, id: ID) -> Option<DirectJson<User>> {
        let id = id::parse(&id)?;
        let page = prefetch::selected_offers_page(&ctx.look_ahead());
        let ahead =
            PrefetchedOffers::load(page, |page| OffersState::from_ctx(ctx).page(id, page)).await;
        Some(DirectJson(User::new(id, ahead)))
    }
}

#[derive(Default)]
pub(crate) struct OfferMutation;

/// What can be done.
#[Object(name = "Mutation")]
impl OfferMutation {
    /// Creates an offer of a user.
    async fn create_offer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is offered, and by whom.")] input: CreateOfferInput,
    ) -> Result<DirectJson<Offer>> {
        let (offers, viewer) = (OffersState::from_ctx(ctx), Viewer::from_ctx(ctx));
        // Who may not create anything is not told what is wrong with it.
        viewer.require_authenticated_if_strict(offers.security)?;
        input.validate()?;
        let user_id = id::parse(&input.user_id).unwrap_or_default();
        viewer.authorize_as(offers.security, user_id)?;
        let created = match input.idempotency_key {
            Some(key) => offers.create_once(key, user_id, input.title, input.text).await,
            None => offers.create(user_id, input.title, input.text).await,
        };
        created.map(DirectJson)
    }

    /// Changes an offer.
    async fn update_offer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which offer.")] id: ID,
        #[graphql(desc = "What to change.")] input: UpdateOfferInput,
    ) -> Result<Offer> {
        let offers = OffersState::from_ctx(ctx);
        let mut fields = FieldErrors::default();
        let title = given(&mut fields, "/title", input.title, title);
        let text = given(&mut fields, "/text", input.text, text);
        fields.into_result()?;
        let id = offers.owned(&id, Viewer::from_ctx(ctx)).await?;
        offers.change(id, title, text).await
    }

    /// Deletes an offer.
    async fn delete_offer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which offer.")] id: ID,
    ) -> Result<bool> {
        let offers = OffersState::from_ctx(ctx);
        let id = offers.owned(&id, Viewer::from_ctx(ctx)).await?;
        let deleted = offer::Entity::delete_by_id(id).exec(&offers.database).await?;
        if deleted.rows_affected == 0 { Err(not_found()) } else { Ok(true) }
    }
}

impl OffersState {
    async fn find(&self, id: &str) -> Result<Option<DirectJson<Offer>>> {
        let Some(id) = id::parse(id) else { return Ok(None) };
        let found = self.by_id.load_one(id).await?;
        Ok(found.map(|row| DirectJson(Arc::unwrap_or_clone(row).into())))
    }

    /// A page of a user's offers, fetched together with those that others ask for.
    pub(crate) async fn page(&self, user: i64, page: PageRequest) -> Result<OfferConnection> {
        let slice = self.of_user.load_one((user, page)).await?;
        let slice = slice.map(Arc::unwrap_or_clone).unwrap_or_default();
        Ok(slice.connection(|row| row.id, |row| DirectJson(row.into())))
    }

    /// The id of an offer that the viewer may change.
    async fn owned(&self, id: &str, viewer: Viewer) -> Result<i64> {
        let id = id::parse(id).ok_or_else(not_found)?;
        let row = self.by_id.load_one(id).await?.ok_or_else(not_found)?;
        viewer.authorize_as(self.security, row.user_id)?;
        Ok(id)
    }

    async fn create(&self, user_id: i64, title: String, text: String) -> Result<Offer> {
        let made = self.new.load_one(New::now(user_id, title, text)).await?;
        let made = made.map(Arc::unwrap_or_clone);
        let row =
            made.ok_or_else(|| Error::internal("an offer was created and not returned"))??;
        self.feed.publish(&row);
        Ok(row.into())
    }

    async fn create_once(
        &self,
        key: String,
        user_id: i64,
        title: String,
        text: String,
    ) -> Result<Offer> {
        match idempotency::create(&self.database, key, user_id, title, text).await? {
            Created::New(row) => {
                self.feed.publish(&row);
                Ok(row.into())
            }
            Created::Before(row) => Ok(row.into()),
        }
    }

    async fn change(&self, id: i64, title: Option<String>, text: Option<String>) -> Result<Offer> {
        let row = offer::ActiveModel {
            id: Set(id),
            title: title.map_or_else(Default::default, Set),
            text: text.map_or_else(Default::default, Set),
            ..Default::default()
        };
        match row.update(&self.database).await {
            Ok(row) => Ok(row.into()),
            Err(DbErr::RecordNotUpdated) => Err(not_found()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The offer of nobody.
pub(crate) fn no_user() -> Error {
    Error::invalid_field(ErrorCode::UserNotFound, "/userId", "names no user that exists")
}

fn not_found() -> Error {
    Error::not_found("There is no such offer.")
}

/// A field that may be left out, but not be null.
fn given(
    fields: &mut FieldErrors,
    pointer: &str,
    value: MaybeUndefined<String>,
    rule: schema::validation::Validator,
) -> Option<String> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => {
            fields.push(pointer, "must not be null");
            None
        }
        MaybeUndefined::Value(text) => {
            fields.check(pointer, &text, rule);
            Some(text)
        }
    }
}

/// The rule for a title.
pub(crate) fn title(title: &str) -> Option<&'static str> {
    const RULE: &str = "must have 1 to 200 characters, none of them a control character";
    let fits = (1..=200).contains(&title.chars().count());
    (!fits || title.chars().any(char::is_control)).then_some(RULE)
}

/// The rule for a text. PostgreSQL cannot keep the character NUL.
pub(crate) fn text(text: &str) -> Option<&'static str> {
    const RULE: &str = "must have 1 to 20000 characters, none of them NUL";
    let fits = (1..=20_000).contains(&text.chars().count());
    (!fits || text.contains('\0')).then_some(RULE)
}

#[cfg(test)]
mod tests {
    use super::{text, title};

    #[test]
    fn lengths_count_characters_not_bytes() {
        assert_eq!(title(&"я".repeat(200)), None);
        assert_eq!(text(&"я".repeat(20_000)), None);
        assert!(title(&"a".repeat(201)).is_some() && title("").is_some());
        assert!(text(&"a".repeat(20_001)).is_some() && text("").is_some());
        assert!(title("a\nb").is_some() && text("a\0b").is_some());
        assert_eq!(text("a\nb"), None);
    }
}
