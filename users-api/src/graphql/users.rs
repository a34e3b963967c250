//! The resolvers of users.

use async_graphql::{
    ComplexObject, Context, ID, Object, SimpleObject, connection::Connection, parser::types::Field,
};
use futures_util::future::try_join;
use schema::{
    AnswerBudget, DirectJson, Error, ErrorCode, JsonWriter, LoadOwned, PageRequest,
    PrefetchedOffers, Result, Security, Viewer, WriteJson, id,
    pagination::Cursor,
    prefetch::{self, OfferConnection},
};

use super::offers::{Offer, connection, load_page};
use crate::{accounts::user_not_found, state::UsersState, validation};

/// A page of users, in the order they registered.
pub(crate) type UserConnection = Connection<Cursor, DirectJson<User>>;

/// A registered user.
#[derive(SimpleObject)]
#[graphql(complex, shareable)]
pub(crate) struct User {
    #[graphql(flatten)]
    fields: schema::User,
    #[graphql(skip)]
    prefetched: PrefetchedOffers<Offer>,
}

impl User {
    /// Returns the user with all fields, as the user sees them.
    pub(crate) fn for_owner(row: entity::user::Model) -> Self {
        Self { fields: row.into(), prefetched: PrefetchedOffers::default() }
    }

    async fn page(&self, ctx: &Context<'_>, page: PageRequest) -> Result<OfferConnection<Offer>> {
        self.prefetched.take_or_load(page, load_page(ctx, self.fields.id.0, page)).await
    }
}

#[ComplexObject]
impl User {
    /// The first 1000 offers of the user, or fewer with 1 MiB of text, oldest first. Null while the
    /// Offers service cannot be reached.
    #[graphql(complexity = "schema::limits::full_page_complexity(child_complexity)")]
    async fn offers(&self, ctx: &Context<'_>) -> Option<Result<DirectJson<Vec<Offer>>>> {
        Some(self.page(ctx, PageRequest::FIRST_MAX).await.map(prefetch::into_list))
    }

    /// The offers of the user, oldest first. Null while the Offers service cannot be reached.
    #[graphql(complexity = "schema::limits::page_complexity(first, last, child_complexity)")]
    async fn offers_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of offers from the start, at most 1000.")] first: Option<i32>,
        #[graphql(desc = "Only offers after this cursor.")] after: Option<String>,
        #[graphql(desc = "The number of offers from the end, at most 1000.")] last: Option<i32>,
        #[graphql(desc = "Only offers before this cursor.")] before: Option<String>,
    ) -> Option<Result<DirectJson<OfferConnection<Offer>>>> {
        match PageRequest::new(first, after.as_deref(), last, before.as_deref()) {
            Ok(page) => {
                let page = page.for_selection(&ctx.look_ahead());
                Some(self.page(ctx, page).await.map(DirectJson))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl WriteJson for User {
    fn write_field(&self, field: &Field, json: &mut JsonWriter<'_>) -> Option<()> {
        self.fields.write_field(field, json).or_else(|| self.prefetched.write_field(field, json))
    }
}

/// The root of queries. An error of a nullable field must be inside of the `Option`: then only that
/// field is null (GraphQL, section 6.4.4), not its parent.
#[derive(Default)]
pub(crate) struct UserQuery;

/// Root query type.
#[Object(name = "Query")]
impl UserQuery {
    /// The user with this identifier or this username, or null. Pass exactly one of `id` and
    /// `username`.
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The identifier of the user.")] id: Option<ID>,
        #[graphql(desc = "The name to log in with, in any case and Unicode form.")]
        username: Option<String>,
    ) -> Option<Result<DirectJson<User>>> {
        let found = match (id, username) {
            (Some(id), None) => find_by_id(ctx, id::parse(&id)).await,
            (None, Some(name)) => find_by_username(ctx, &name).await,
            _ => {
                let detail = "must be passed if and only if username is not";
                Err(Error::invalid_field(ErrorCode::InvalidInput, "/id", detail))
            }
        };
        found.transpose()
    }

    /// All users, in the order they registered. Requires an access token in strict mode.
    #[graphql(complexity = "schema::limits::page_complexity(first, last, child_complexity)")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of users from the start, at most 1000.")] first: Option<i32>,
        #[graphql(desc = "Only users after this cursor.")] after: Option<String>,
        #[graphql(desc = "The number of users from the end, at most 1000.")] last: Option<i32>,
        #[graphql(desc = "Only users before this cursor.")] before: Option<String>,
    ) -> Result<DirectJson<UserConnection>> {
        let (users, viewer) = (UsersState::from_ctx(ctx), Viewer::from_ctx(ctx));
        viewer.require_authenticated_if_strict(users.security)?;
        let page = PageRequest::new(first, after.as_deref(), last, before.as_deref())?;
        let selection = ctx.look_ahead();
        let page = page.for_selection(&selection);
        let loaded = users.user_pages.load_owned(page).await?;
        let page = loaded.unwrap_or_else(|| page.into_page(Vec::new(), |_| 0));
        let ids = page.rows.iter().map(|user| user.id.0).collect();
        let offers = prefetch::selected_offers_page_of_nodes(&selection);
        let mut prefetched = prefetch_offers_of(ctx, ids, offers).await.into_iter();
        let node = |user| for_viewer(users, viewer, user, prefetched.next().unwrap_or_default());
        Ok(DirectJson(page.connection(|user| Cursor::oldest(user.id.0), node)))
    }

    /// The user of the access token, or null without one.
    async fn me(&self, ctx: &Context<'_>) -> Option<Result<DirectJson<User>>> {
        find_by_id(ctx, Viewer::from_ctx(ctx).id()).await.transpose()
    }

    /// Every code that an error can carry as `extensions.code` in GraphQL and as `code` in REST.
    #[graphql(shareable)]
    async fn error_codes(&self) -> &'static [ErrorCode] {
        ErrorCode::ALL
    }

    /// Resolves a user by its key, for other subgraphs.
    #[graphql(entity)]
    async fn find_user_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<DirectJson<User>>> {
        find_by_id(ctx, id::parse(&id)).await
    }

    /// Resolves an offer by its key, for other subgraphs.
    #[graphql(entity)]
    async fn find_offer_by_id(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<Option<DirectJson<Offer>>> {
        let Some(id) = id::parse(&id) else { return Ok(None) };
        let offer = UsersState::from_ctx(ctx).offers.by_id(AnswerBudget::from_ctx(ctx), id).await?;
        Ok(offer.map(|offer| DirectJson(offer.into())))
    }
}

/// Returns the user as the viewer may see it: in strict mode only the user sees the email.
fn for_viewer(
    users: &UsersState,
    viewer: Viewer,
    mut fields: schema::User,
    prefetched: PrefetchedOffers<Offer>,
) -> DirectJson<User> {
    if users.security != Security::Spec && !viewer.is_user(fields.id.0) {
        fields.email = None;
    }
    DirectJson(User { fields, prefetched })
}

/// Loads a user and the page of offers that is selected, both at the same time. Does not wait for the
/// offers of a user that does not exist.
async fn find_by_id(ctx: &Context<'_>, id: Option<i64>) -> Result<Option<DirectJson<User>>> {
    /// The reasons to stop waiting.
    enum Stop {
        UnknownUser,
        Failed(Error),
    }
    let users = UsersState::from_ctx(ctx);
    let Some(id) = id else { return Ok(None) };
    let user = async {
        users.user_by_id.load_owned(id).await.map_err(Stop::Failed)?.ok_or(Stop::UnknownUser)
    };
    // The offers first, since they take longer.
    match try_join(async { Ok(prefetch_offers(ctx, id).await) }, user).await {
        Ok((offers, user)) => Ok(Some(for_viewer(users, Viewer::from_ctx(ctx), user, offers))),
        Err(Stop::UnknownUser) => Ok(None),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Loads a user that must exist.
///
/// # Errors
/// `NOT_FOUND`.
pub(crate) async fn require_user(ctx: &Context<'_>, id: i64) -> Result<DirectJson<User>> {
    let found = find_by_id(ctx, Some(id)).await?;
    found.ok_or_else(user_not_found)
}

async fn find_by_username(ctx: &Context<'_>, name: &str) -> Result<Option<DirectJson<User>>> {
    let users = UsersState::from_ctx(ctx);
    // No user has another form of name, and PostgreSQL rejects text with NUL.
    if !validation::has_username_form(name) {
        return Ok(None);
    }
    let Some(user) = users.user_by_username.load_owned(name.to_owned()).await? else {
        return Ok(None);
    };
    let offers = prefetch_offers(ctx, user.id.0).await;
    Ok(Some(for_viewer(users, Viewer::from_ctx(ctx), user, offers)))
}

async fn prefetch_offers(ctx: &Context<'_>, user_id: i64) -> PrefetchedOffers<Offer> {
    let page = prefetch::selected_offers_page(&ctx.look_ahead());
    PrefetchedOffers::load(page, |page| load_page(ctx, user_id, page)).await
}

async fn prefetch_offers_of(
    ctx: &Context<'_>,
    user_ids: Vec<i64>,
    page: Option<PageRequest>,
) -> Vec<PrefetchedOffers<Offer>> {
    let Some(page) = page else { return Vec::new() };
    let count = user_ids.len();
    let offers = &UsersState::from_ctx(ctx).offers;
    match offers.pages(AnswerBudget::from_ctx(ctx), user_ids, page).await {
        Ok(pages) => {
            let pages = pages.into_iter();
            pages.map(|offers| PrefetchedOffers::new(page, Ok(connection(offers)))).collect()
        }
        Err(error) => (0..count).map(|_| PrefetchedOffers::new(page, Err(error.clone()))).collect(),
    }
}
