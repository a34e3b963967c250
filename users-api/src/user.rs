//! Users: their fields, and what can be asked about them.

use async_graphql::{Context, ID, Object, connection::Connection, parser::types::Field};
use entity::fold_case;
use futures_util::future::try_join;
use schema::{
    Ahead, AtHand, Code, Error, Json, Page, Ready, Result, Security, Time, Viewer, ahead, id, page,
};
use sea_orm::{DerivePartialModel, prelude::DateTimeUtc};

use crate::{Users, offers::Offer, rules};

/// A page of users, in the order they registered.
pub(crate) type UserConnection = Connection<page::Cursor, AtHand<User>>;
/// A page of offers, oldest first.
pub(crate) type OfferConnection = Connection<page::Cursor, AtHand<Offer>>;

/// The columns of a user that a client may see; the password hash is not read along.
#[derive(Clone, Debug, DerivePartialModel)]
#[sea_orm(entity = "entity::user::Entity")]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) username: String,
    pub(crate) username_key: String,
    pub(crate) email: Option<String>,
    pub(crate) created_at: DateTimeUtc,
}

impl From<entity::user::Model> for Row {
    fn from(user: entity::user::Model) -> Self {
        let entity::user::Model { id, username, username_key, email, created_at, .. } = user;
        Self { id, username, username_key, email, created_at }
    }
}

/// A user as a client sees it.
pub(crate) struct User {
    row: Row,
    ahead: Ahead<Offer>,
}

impl User {
    /// The user as its own user sees it.
    pub(crate) fn own(row: entity::user::Model) -> Self {
        Self { row: row.into(), ahead: Ahead::default() }
    }

    async fn page(&self, ctx: &Context<'_>, page: Page) -> Result<OfferConnection> {
        self.ahead.page(page, Users::of(ctx).offers.page(self.row.id, page)).await
    }
}

/// Who registered.
#[Object(shareable)]
impl User {
    /// The identifier of the user.
    async fn id(&self) -> ID {
        id::show(self.row.id)
    }

    /// The name to log in with, unique regardless of case.
    async fn username(&self) -> &str {
        &self.row.username
    }

    /// The email address, unique regardless of case. In strict mode its own user alone sees it.
    async fn email(&self) -> Option<&str> {
        self.row.email.as_deref()
    }

    /// When the user registered, in UTC.
    async fn created_at(&self) -> Time {
        self.row.created_at.into()
    }

    /// The first 1000 offers of the user, oldest first. Null while the Offers service cannot be
    /// reached.
    #[graphql(complexity = "schema::limits::LIST * (1 + child_complexity)")]
    async fn offers(&self, ctx: &Context<'_>) -> Option<Result<AtHand<Vec<Offer>>>> {
        Some(self.page(ctx, Page::FULL).await.map(ahead::list))
    }

    /// The offers of the user, oldest first. Null while the Offers service cannot be reached.
    #[graphql(complexity = "schema::limits::page(first, last, child_complexity)")]
    async fn offers_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, at most 1000.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, at most 1000.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Option<Result<AtHand<OfferConnection>>> {
        match Page::new(first, after.as_deref(), last, before.as_deref()) {
            Ok(page) => Some(self.page(ctx, page.shown(&ctx.look_ahead())).await.map(AtHand)),
            Err(error) => Some(Err(error)),
        }
    }
}

impl Ready for User {
    fn write(&self, field: &Field, json: &mut Json) -> Option<()> {
        match field.name.node.as_str() {
            "id" => json.id(self.row.id),
            "username" => json.text(&self.row.username),
            "email" => match &self.row.email {
                Some(email) => json.text(email),
                None => json.null(),
            },
            "createdAt" => json.text(Time::from(self.row.created_at).as_str()),
            _ => return self.ahead.write(field, json),
        }
        Some(())
    }
}

/// The root of queries. An error of a field that can be null must be inside of the `Option`: it
/// stays at the field then, as GraphQL has it (section 6.4.4), and does not take its parent along.
#[derive(Default)]
pub(crate) struct UserQuery;

/// What can be asked.
#[Object(name = "Query")]
impl UserQuery {
    /// The user with this identifier or this username, or null. Name one of the two.
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The identifier of the user.")] id: Option<ID>,
        #[graphql(desc = "The name to log in with, in any case.")] username: Option<String>,
    ) -> Option<Result<AtHand<User>>> {
        let users = Users::of(ctx);
        let found = match (id, username) {
            (Some(id), None) => users.by_id(ctx, id::parse(&id)).await,
            (None, Some(name)) => users.by_name(ctx, &name).await,
            _ => {
                let detail = "must be there, and not the other of id and username";
                Err(Error::field(Code::InvalidInput, "/id", detail))
            }
        };
        found.transpose()
    }

    /// All users, in the order they registered. In strict mode this needs an access token.
    #[graphql(complexity = "schema::limits::page(first, last, child_complexity)")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, at most 1000.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, at most 1000.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<AtHand<UserConnection>> {
        let (users, viewer) = (Users::of(ctx), Viewer::of(ctx));
        viewer.look_around(users.security)?;
        let page = Page::new(first, after.as_deref(), last, before.as_deref())?;
        let selection = ctx.look_ahead();
        let (page, offers) = (page.shown(&selection), ahead::page_of_nodes(&selection));
        users.page(viewer, page, offers).await.map(AtHand)
    }

    /// The user whose access token was sent, or null without one.
    async fn me(&self, ctx: &Context<'_>) -> Option<Result<AtHand<User>>> {
        Users::of(ctx).by_id(ctx, Viewer::of(ctx).id()).await.transpose()
    }

    /// Every code that an error can carry as `extensions.code`, and a failure of REST as `code`.
    #[graphql(shareable)]
    async fn error_codes(&self) -> &'static [Code] {
        Code::ALL
    }

    /// Resolves a user that another subgraph names.
    #[graphql(entity)]
    async fn find_user_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<AtHand<User>>> {
        Users::of(ctx).by_id(ctx, id::parse(&id)).await
    }

    /// Resolves an offer that another subgraph names.
    #[graphql(entity)]
    async fn find_offer_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<AtHand<Offer>>> {
        match id::parse(&id) {
            Some(id) => Ok(Users::of(ctx).offers.one(id).await?.map(AtHand)),
            None => Ok(None),
        }
    }
}

impl Users {
    /// A user as this viewer may see it: in strict mode an email is for its own user alone.
    fn show(&self, viewer: Viewer, mut row: Row, ahead: Ahead<Offer>) -> AtHand<User> {
        if self.security != Security::Spec && !viewer.is(row.id) {
            row.email = None;
        }
        AtHand(User { row, ahead })
    }

    /// The user with this id, if it is one, and the page of offers that is selected: both services
    /// and the database are at work at the same time. Offers of who is not there are not waited for.
    async fn by_id(&self, ctx: &Context<'_>, id: Option<i64>) -> Result<Option<AtHand<User>>> {
        let Some(id) = id else { return Ok(None) };
        let row = async { self.rows.load(id).await.transpose().ok_or(None)?.map_err(Some) };
        match try_join(row, async { Ok(self.ahead(ctx, id).await) }).await {
            Ok((row, ahead)) => Ok(Some(self.show(Viewer::of(ctx), row, ahead))),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    /// The user with this id, who must be there.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub(crate) async fn some(&self, ctx: &Context<'_>, id: i64) -> Result<AtHand<User>> {
        let found = self.by_id(ctx, Some(id)).await?;
        found.ok_or_else(|| Error::not_found("There is no such user."))
    }

    async fn by_name(&self, ctx: &Context<'_>, name: &str) -> Result<Option<AtHand<User>>> {
        // No user has such a name, and PostgreSQL refuses text with NUL.
        if rules::username(name).is_some() {
            return Ok(None);
        }
        let Some(row) = self.names.load(fold_case(name)).await? else { return Ok(None) };
        let ahead = self.ahead(ctx, row.id).await;
        Ok(Some(self.show(Viewer::of(ctx), row, ahead)))
    }

    async fn ahead(&self, ctx: &Context<'_>, user: i64) -> Ahead<Offer> {
        let page = ahead::page(&ctx.look_ahead());
        Ahead::load(page, |page| self.offers.page(user, page)).await
    }

    async fn page(
        &self,
        viewer: Viewer,
        page: Page,
        offers: Option<Page>,
    ) -> Result<UserConnection> {
        let slice = self.pages.load(page).await?.unwrap_or_default();
        let ids = slice.rows.iter().map(|row| row.id).collect();
        let mut aheads = self.aheads(ids, offers).await.into_iter();
        let show = |row| self.show(viewer, row, aheads.next().unwrap_or_default());
        Ok(slice.connection(|row| row.id, show))
    }

    async fn aheads(&self, users: Vec<i64>, page: Option<Page>) -> Vec<Ahead<Offer>> {
        let Some(page) = page else { return Vec::new() };
        let found = self.offers.pages(users, page).await.into_iter();
        found.map(|offers| Ahead::new(page, offers)).collect()
    }
}
