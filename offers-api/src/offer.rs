//! Offers: their fields, their rules, and what can be done with them.

use async_graphql::{
    Context, ID, InputObject, MaybeUndefined, Object, connection::Connection, parser::types::Field,
};
use entity::offer;
use schema::{
    Ahead, AtHand, Code, Error, Fields, Json, Page, Ready, Result, Time, Viewer, ahead, id, page,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, EntityTrait};

use crate::{
    Offers,
    create::New,
    once::{self, Created},
    user::User,
};

/// A page of offers, oldest first.
pub(crate) type OfferConnection = Connection<page::Cursor, AtHand<Offer>>;

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
        id::show(self.0.id)
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
    async fn created_at(&self) -> Time {
        self.0.created_at.into()
    }

    /// The identifier of the user who offers.
    async fn user_id(&self) -> ID {
        id::show(self.0.user_id)
    }

    /// The user who offers.
    async fn user(&self) -> AtHand<User> {
        AtHand(User::new(self.0.user_id, Ahead::default()))
    }
}

impl Ready for Offer {
    fn write(&self, field: &Field, json: &mut Json) -> Option<()> {
        match field.name.node.as_str() {
            "id" => json.id(self.0.id),
            "title" => json.text(&self.0.title),
            "text" => json.text(&self.0.text),
            "createdAt" => json.text(Time::from(self.0.created_at).as_str()),
            "userId" => json.id(self.0.user_id),
            _ => return None,
        }
        Some(())
    }
}

/// A new offer.
#[derive(InputObject)]
pub(crate) struct CreateOfferInput {
    /// The user who offers.
    user_id: ID,
    /// What is offered, in one line of 1 to 200 characters.
    title: String,
    /// What is offered, in 1 to 20000 characters.
    text: String,
    /// What the client names this request by, 1 to 255 visible ASCII characters. For a day, the same
    /// request with the same key answers the same offer and creates no other.
    idempotency_key: Option<String>,
}

/// What to change of an offer. What is left out stays.
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
    ) -> Option<Result<AtHand<Offer>>> {
        Offers::of(ctx).find(&id).await.transpose()
    }

    /// The offers of a user, oldest first.
    #[graphql(complexity = "schema::limits::page(first, last, child_complexity)")]
    async fn offers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose offers.")] user_id: ID,
        #[graphql(desc = "How many from the start, at most 1000.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, at most 1000.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<AtHand<OfferConnection>> {
        let user = page::user_id("/userId", &user_id)?;
        let page = Page::new(first, after.as_deref(), last, before.as_deref())?;
        Offers::of(ctx).page(user, page.shown(&ctx.look_ahead())).await.map(AtHand)
    }

    /// Every code that an error can carry as `extensions.code`, and a failure of REST as `code`.
    #[graphql(shareable)]
    async fn error_codes(&self) -> &'static [Code] {
        Code::ALL
    }

    /// Resolves an offer that another subgraph names.
    #[graphql(entity)]
    async fn find_offer_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<AtHand<Offer>>> {
        Offers::of(ctx).find(&id).await
    }

    /// Resolves a user that another subgraph names.
    #[graphql(entity)]
    async fn find_user_by_id(&self, ctx: &Context<'_>, id: ID) -> Option<AtHand<User>> {
        let id = id::parse(&id)?;
        let page = ahead::page(&ctx.look_ahead());
        let ahead = Ahead::load(page, |page| Offers::of(ctx).page(id, page)).await;
        Some(AtHand(User::new(id, ahead)))
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
    ) -> Result<AtHand<Offer>> {
        let (offers, viewer) = (Offers::of(ctx), Viewer::of(ctx));
        // Who may not create anything is not told what is wrong with it.
        viewer.look_around(offers.security)?;
        let mut fields = Fields::default();
        let user_id = id::parse(&input.user_id);
        if user_id.is_none() {
            fields.wrong("/userId", "must be a positive integer");
        }
        fields.check("/title", &input.title, title);
        fields.check("/text", &input.text, text);
        if let Some(key) = &input.idempotency_key {
            fields.check("/idempotencyKey", key, once::rule);
        }
        fields.finish()?;
        let user_id = user_id.unwrap_or_default();
        viewer.act_for(offers.security, user_id)?;
        let created = match input.idempotency_key {
            Some(key) => offers.create_once(key, user_id, input.title, input.text).await,
            None => offers.create(user_id, input.title, input.text).await,
        };
        created.map(AtHand)
    }

    /// Changes an offer.
    async fn update_offer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which offer.")] id: ID,
        #[graphql(desc = "What to change.")] input: UpdateOfferInput,
    ) -> Result<Offer> {
        let offers = Offers::of(ctx);
        let mut fields = Fields::default();
        let title = given(&mut fields, "/title", input.title, title);
        let text = given(&mut fields, "/text", input.text, text);
        fields.finish()?;
        let id = offers.owned(&id, Viewer::of(ctx)).await?;
        offers.change(id, title, text).await
    }

    /// Deletes an offer.
    async fn delete_offer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which offer.")] id: ID,
    ) -> Result<bool> {
        let offers = Offers::of(ctx);
        let id = offers.owned(&id, Viewer::of(ctx)).await?;
        let deleted = offer::Entity::delete_by_id(id).exec(&offers.database).await?;
        if deleted.rows_affected == 0 { Err(not_found()) } else { Ok(true) }
    }
}

impl Offers {
    async fn find(&self, id: &str) -> Result<Option<AtHand<Offer>>> {
        let Some(id) = id::parse(id) else { return Ok(None) };
        Ok(self.by_id.load(id).await?.map(|row| AtHand(row.into())))
    }

    /// A page of a user's offers, fetched together with those that others ask for.
    pub(crate) async fn page(&self, user: i64, page: Page) -> Result<OfferConnection> {
        let slice = self.of_user.load((user, page)).await?.unwrap_or_default();
        Ok(slice.connection(|row| row.id, |row| AtHand(row.into())))
    }

    /// The id of an offer that the viewer may change.
    async fn owned(&self, id: &str, viewer: Viewer) -> Result<i64> {
        let id = id::parse(id).ok_or_else(not_found)?;
        let row = self.by_id.load(id).await?.ok_or_else(not_found)?;
        viewer.act_for(self.security, row.user_id)?;
        Ok(id)
    }

    async fn create(&self, user_id: i64, title: String, text: String) -> Result<Offer> {
        let made = self.new.load(New::now(user_id, title, text)).await?;
        let row =
            made.ok_or_else(|| Error::internal("an offer was created and not returned"))??;
        self.feed.created(&row);
        Ok(row.into())
    }

    async fn create_once(
        &self,
        key: String,
        user_id: i64,
        title: String,
        text: String,
    ) -> Result<Offer> {
        match once::create(&self.database, key, user_id, title, text).await? {
            Created::New(row) => {
                self.feed.created(&row);
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
    Error::field(Code::UserNotFound, "/userId", "names no user that exists")
}

fn not_found() -> Error {
    Error::not_found("There is no such offer.")
}

/// A field that may be left out, but not be null.
fn given(
    fields: &mut Fields,
    pointer: &str,
    value: MaybeUndefined<String>,
    rule: schema::fields::Rule,
) -> Option<String> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => {
            fields.wrong(pointer, "must not be null");
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
