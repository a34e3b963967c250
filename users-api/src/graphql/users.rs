//! Users: their fields, and what can be asked about them.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, connection::Connection, parser::types::Field};
use entity::fold_case;
use futures_util::future::try_join;
use schema::{
    DirectJson, Error, ErrorCode, JsonWriter, PageRequest, PrefetchedOffers, Result, Security,
    Timestamp, Viewer, WriteJson, id, pagination, prefetch,
};
use sea_orm::{DerivePartialModel, prelude::DateTimeUtc};

use crate::{offers_client::Offer, state::UsersState, validation};

/// A page of users, in the order they registered.
pub(crate) type UserConnection = Connection<pagination::Cursor, DirectJson<User>>;
/// A page of offers, oldest first.
pub(crate) type OfferConnection = Connection<pagination::Cursor, DirectJson<Offer>>;

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
    ahead: PrefetchedOffers<Offer>,
}

impl User {
    /// The user as its own user sees it.
    pub(crate) fn own(row: entity::user::Model) -> Self {
        Self { row: row.into(), ahead: PrefetchedOffers::default() }
    }

    async fn page(&self, ctx: &Context<'_>, page: PageRequest) -> Result<OfferConnection> {
        self.ahead.page(page, UsersState::from_ctx(ctx).offers.page(self.row.id, page)).await
    }
}

/// Who registered.
#[Object(shareable)]
impl User {
    /// The identifier of the user.
    async fn id(&self) -> ID {
        id::to_graphql_id(self.row.id)
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
    async fn created_at(&self) -> Timestamp {
        self.row.created_at.into()
    }

    /// The first 1000 offers of the user, oldest first. Null while the Offers service cannot be
    /// reached.
    #[graphql(complexity = "schema::limits::UNSIZED_LIST_COST * (1 + child_complexity)")]
    async fn offers(&self, ctx: &Context<'_>) -> Option<Result<DirectJson<Vec<Offer>>>> {
        Some(self.page(ctx, PageRequest::FIRST_MAX).await.map(prefetch::into_list))
    }

    /// The offers of the user, oldest first. Null while the Offers service cannot be reached.
    #[graphql(complexity = "schema::limits::page_complexity(first, last, child_complexity)")]
    async fn offers_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, at most 1000.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, at most 1000.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Option<Result<DirectJson<OfferConnection>>> {
        match PageRequest::new(first, after.as_deref(), last, before.as_deref()) {
            Ok(page) => Some(self.page(ctx, page.shown(&ctx.look_ahead())).await.map(DirectJson)),
            Err(error) => Some(Err(error)),
        }
    }
}

impl WriteJson for User {
    fn write(&self, field: &Field, json: &mut JsonWriter) -> Option<()> {
        match field.name.node.as_str() {
            "id" => json.id(self.row.id),
            "username" => json.text(&self.row.username),
            "email" => match &self.row.email {
                Some(email) => json.text(email),
                None => json.null(),
            },
            "createdAt" => json.text(Timestamp::from(self.row.created_at).as_str()),
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
    ) -> Option<Result<DirectJson<User>>> {
        let users = UsersState::from_ctx(ctx);
        let found = match (id, username) {
            (Some(id), None) => users.by_id(ctx, id::parse(&id)).await,
            (None, Some(name)) => users.by_name(ctx, &name).await,
            _ => {
                let detail = "must be there, and not the other of id and username";
                Err(Error::invalid_field(ErrorCode::InvalidInput, "/id", detail))
            }
        };
        found.transpose()
    }

    /// All users, in the order they registered. In strict mode this needs an access token.
    #[graphql(complexity = "schema::limits::page_complexity(first, last, child_complexity)")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, at most 1000.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, at most 1000.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<DirectJson<UserConnection>> {
        let (users, viewer) = (UsersState::from_ctx(ctx), Viewer::from_ctx(ctx));
        viewer.require_authenticated_if_strict(users.security)?;
        let page = PageRequest::new(first, after.as_deref(), last, before.as_deref())?;
        let selection = ctx.look_ahead();
        let (page, offers) =
            (page.shown(&selection), prefetch::selected_offers_page_of_nodes(&selection));
        users.page(viewer, page, offers).await.map(DirectJson)
    }

    /// The user whose access token was sent, or null without one.
    async fn me(&self, ctx: &Context<'_>) -> Option<Result<DirectJson<User>>> {
        UsersState::from_ctx(ctx).by_id(ctx, Viewer::from_ctx(ctx).id()).await.transpose()
    }

    /// Every code that an error can carry as `extensions.code`, and a failure of REST as `code`.
    #[graphql(shareable)]
    async fn error_codes(&self) -> &'static [ErrorCode] {
        ErrorCode::ALL
    }

    /// Resolves a user that another subgraph names.
    #[graphql(entity)]
    async fn find_user_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<DirectJson<User>>> {
        UsersState::from_ctx(ctx).by_id(ctx, id::parse(&id)).await
    }

    /// Resolves an offer that another subgraph names.
    #[graphql(entity)]
    async fn find_offer_by_id(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<Option<DirectJson<Offer>>> {
        match id::parse(&id) {
            Some(id) => Ok(UsersState::from_ctx(ctx).offers.one(id).await?.map(DirectJson)),
            None => Ok(None),
        }
    }
}

impl UsersState {
    /// A user as this viewer may see it: in strict mode an email is for its own user alone.
    fn show(
        &self,
        viewer: Viewer,
        mut row: Row,
        ahead: PrefetchedOffers<Offer>,
    ) -> DirectJson<User> {
        if self.security != Security::Spec && !viewer.is_user(row.id) {
            row.email = None;
        }
        DirectJson(User { row, ahead })
    }

    /// The user with this id, if it is one, and the page of offers that is selected: both services
    /// and the database are at work at the same time. Offers of who is not there are not waited for.
    async fn by_id(&self, ctx: &Context<'_>, id: Option<i64>) -> Result<Option<DirectJson<User>>> {
        let Some(id) = id else { return Ok(None) };
        let row =
            async { self.user_by_id.load_one(id).await.transpose().ok_or(None)?.map_err(Some) };
        match try_join(async { Ok(self.ahead(ctx, id).await) }, row).await {
            Ok((ahead, row)) => {
                Ok(Some(self.show(Viewer::from_ctx(ctx), Arc::unwrap_or_clone(row), ahead)))
            }
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    /// The user with this id, who must be there.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub(crate) async fn some(&self, ctx: &Context<'_>, id: i64) -> Result<DirectJson<User>> {
        let found = self.by_id(ctx, Some(id)).await?;
        found.ok_or_else(|| Error::not_found("There is no such user."))
    }

    async fn by_name(&self, ctx: &Context<'_>, name: &str) -> Result<Option<DirectJson<User>>> {
        // No user has such a name, and PostgreSQL refuses text with NUL.
        if validation::username(name).is_some() {
            return Ok(None);
        }
        let Some(row) = self.user_by_username.load_one(fold_case(name)).await? else {
            return Ok(None);
        };
        let ahead = self.ahead(ctx, row.id).await;
        Ok(Some(self.show(Viewer::from_ctx(ctx), Arc::unwrap_or_clone(row), ahead)))
    }

    async fn ahead(&self, ctx: &Context<'_>, user: i64) -> PrefetchedOffers<Offer> {
        let page = prefetch::selected_offers_page(&ctx.look_ahead());
        PrefetchedOffers::load(page, |page| self.offers.page(user, page)).await
    }

    async fn page(
        &self,
        viewer: Viewer,
        page: PageRequest,
        offers: Option<PageRequest>,
    ) -> Result<UserConnection> {
        let slice =
            self.user_pages.load_one(page).await?.map(Arc::unwrap_or_clone).unwrap_or_default();
        let ids = slice.rows.iter().map(|row| row.id).collect();
        let mut aheads = self.aheads(ids, offers).await.into_iter();
        let show = |row| self.show(viewer, row, aheads.next().unwrap_or_default());
        Ok(slice.connection(|row| row.id, show))
    }

    async fn aheads(
        &self,
        users: Vec<i64>,
        page: Option<PageRequest>,
    ) -> Vec<PrefetchedOffers<Offer>> {
        let Some(page) = page else { return Vec::new() };
        let found = self.offers.pages(users, page).await.into_iter();
        found.map(|offers| PrefetchedOffers::new(page, offers)).collect()
    }
}
