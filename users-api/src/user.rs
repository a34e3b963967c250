//! Users: their fields, and what can be asked about them.

use async_graphql::{Context, ID, Object, connection::Connection};
use entity::fold_case;
use schema::{
    AtHand, Code, Error, Page, Result, Security, Slice, Time, Viewer,
    batch::{Found, padded},
    id, page,
};
use sea_orm::{
    ColumnTrait, DatabaseConnection, DerivePartialModel, EntityTrait, QueryFilter,
    prelude::DateTimeUtc,
};

use crate::{
    Users,
    ahead::{self, Ahead},
    offers::Offer,
    rules,
};

/// A page of users, in the order they registered.
pub(crate) type UserConnection = Connection<page::Cursor, User>;
/// A page of offers, oldest first.
pub(crate) type OfferConnection = Connection<page::Cursor, AtHand<Offer>>;

/// The columns of a user that a client may see; the password hash is not read along.
#[derive(Clone, Debug, DerivePartialModel)]
#[sea_orm(entity = "entity::user::Entity")]
pub(crate) struct Row {
    pub(crate) id: i64,
    username: String,
    username_key: String,
    email: Option<String>,
    created_at: DateTimeUtc,
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
    /// Shown to whoever made or changed it just now.
    own: bool,
    ahead: Ahead,
}

impl From<Row> for User {
    fn from(row: Row) -> Self {
        Self::new(row, Ahead::default())
    }
}

impl User {
    pub(crate) fn new(row: Row, ahead: Ahead) -> Self {
        Self { row, own: false, ahead }
    }

    pub(crate) fn own(row: entity::user::Model) -> Self {
        Self { own: true, ..Row::from(row).into() }
    }

    async fn page(&self, ctx: &Context<'_>, page: Page) -> Result<Slice<Offer>> {
        match self.ahead.take(page) {
            Some(slice) => slice,
            None => Users::of(ctx).offers.page(self.row.id, page).await,
        }
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
    async fn email(&self, ctx: &Context<'_>) -> Option<&str> {
        let open = Users::of(ctx).security == Security::Spec;
        let shown = open || self.own || Viewer::of(ctx).is(self.row.id);
        self.row.email.as_deref().filter(|_| shown)
    }

    /// When the user registered, in UTC.
    async fn created_at(&self) -> Time {
        self.row.created_at.into()
    }

    /// The first 1000 offers of the user, oldest first. Null while the Offers service cannot be
    /// reached.
    #[graphql(complexity = "schema::limits::LIST * (1 + child_complexity)")]
    async fn offers(&self, ctx: &Context<'_>) -> Option<Result<AtHand<Vec<Offer>>>> {
        Some(self.page(ctx, Page::FULL).await.map(|page| AtHand(page.rows)))
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
        let page = async {
            let page = Page::new(first, after.as_deref(), last, before.as_deref())?;
            let slice = self.page(ctx, page).await?;
            Ok(AtHand(slice.connection(|offer| offer.id, AtHand)))
        };
        Some(page.await)
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
    ) -> Option<Result<User>> {
        let users = Users::of(ctx);
        let found = match (id, username) {
            (Some(id), None) => match id::parse(&id) {
                Some(id) => users.with_offers(id, ahead::page(&ctx.look_ahead())).await,
                None => Ok(None),
            },
            (None, Some(name)) => users.by_name(&name).await,
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
    ) -> Result<UserConnection> {
        let users = Users::of(ctx);
        Viewer::of(ctx).look_around(users.security)?;
        let page = Page::new(first, after.as_deref(), last, before.as_deref())?;
        users.page(page).await
    }

    /// The user whose access token was sent, or null without one.
    async fn me(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        let found = Users::of(ctx).rows.load(Viewer::of(ctx).id()?).await;
        found.map(|row| row.map(User::from)).transpose()
    }

    /// Every code that an error can carry as `extensions.code`, and a failure of REST as `code`.
    #[graphql(shareable)]
    async fn error_codes(&self) -> &'static [Code] {
        Code::ALL
    }

    /// Resolves a user that another subgraph names.
    #[graphql(entity)]
    async fn find_user_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<User>> {
        Users::of(ctx).by_id(&id).await
    }

    /// Resolves an offer that another subgraph names.
    #[graphql(entity)]
    async fn find_offer_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Offer>> {
        match id::parse(&id) {
            Some(id) => Users::of(ctx).offers.one(id).await,
            None => Ok(None),
        }
    }
}

impl Users {
    async fn by_id(&self, id: &str) -> Result<Option<User>> {
        let Some(id) = id::parse(id) else { return Ok(None) };
        Ok(self.rows.load(id).await?.map(User::from))
    }

    async fn by_name(&self, name: &str) -> Result<Option<User>> {
        // No user has such a name, and PostgreSQL refuses text with NUL.
        if rules::username(name).is_some() {
            return Ok(None);
        }
        Ok(self.names.load(fold_case(name)).await?.map(User::from))
    }

    async fn page(&self, page: Page) -> Result<UserConnection> {
        let rows = page.select(entity::user::Entity::find(), entity::user::Column::Id);
        let rows = rows.into_partial_model::<Row>().all(&self.database).await?;
        Ok(page.cut(rows).connection(|row| row.id, User::from))
    }
}

/// Users by their ids, one statement for all.
pub(crate) async fn by_id(database: DatabaseConnection, ids: Vec<i64>) -> Found<i64, Row> {
    let rows = entity::user::Entity::find()
        .filter(entity::user::Column::Id.is_in(padded(ids)))
        .into_partial_model::<Row>()
        .all(&database)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Users by their names with the case folded, one statement for all.
pub(crate) async fn by_name(
    database: DatabaseConnection,
    names: Vec<String>,
) -> Found<String, Row> {
    let rows = entity::user::Entity::find()
        .filter(entity::user::Column::UsernameKey.is_in(padded(names)))
        .into_partial_model::<Row>()
        .all(&database)
        .await?;
    Ok(rows.into_iter().map(|row| (row.username_key.clone(), row)).collect())
}
