//! The resolvers of offers.

use async_graphql::{ComplexObject, Context, ID, Object, SimpleObject, parser::types::Field};
use schema::{
    AnswerBudget, DirectJson, ErrorCode, JsonWriter, LoadWithinBudget, PageRequest, Precondition,
    PrefetchedOffers, Result, Viewer, WriteJson, id,
    pagination::{Cursor, OfferOrder, PageArguments},
    prefetch::{self, OfferConnection},
};
use server::security_log::SecurityEvent;

use crate::{
    OffersState,
    browse::{OfferFilter, OfferList},
    graphql::users::User,
    offers::{
        CREATE_OFFER, CreateOfferInput, DELETE_OFFER, NewOffer, OfferChange, UPDATE_OFFER,
        UpdateOfferInput,
    },
};

/// A classified ad.
#[derive(SimpleObject)]
#[graphql(complex, shareable)]
pub(crate) struct Offer {
    #[graphql(flatten)]
    fields: schema::Offer,
}

impl From<schema::Offer> for Offer {
    fn from(fields: schema::Offer) -> Self {
        Self { fields }
    }
}

#[ComplexObject]
impl Offer {
    /// The user who made the offer.
    async fn user(&self) -> DirectJson<User> {
        DirectJson(User::new(self.fields.user_id.0, PrefetchedOffers::default()))
    }
}

impl WriteJson for Offer {
    fn write_field(&self, field: &Field, json: &mut JsonWriter<'_>) -> Option<()> {
        self.fields.write_field(field, json)
    }
}

/// Loads a page of the offers of a user as a connection.
pub(crate) async fn load_page(
    ctx: &Context<'_>,
    user_id: i64,
    page: PageRequest,
) -> Result<OfferConnection<Offer>> {
    let pages = &OffersState::from_ctx(ctx).offer_pages;
    let page = pages.load_within_budget(AnswerBudget::from_ctx(ctx), (user_id, page)).await?;
    Ok(page.connection(|offer| Cursor::oldest(offer.id.0), |offer| DirectJson(offer.into())))
}

/// The root of queries. An error of a nullable field must be inside of the `Option`: then only that
/// field is null (GraphQL, section 6.4.4), not its parent.
#[derive(Default)]
pub(crate) struct OfferQuery;

/// Root query type.
#[Object(name = "Query")]
impl OfferQuery {
    /// The offer with this identifier, or null.
    async fn offer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The identifier of the offer.")] id: ID,
    ) -> Option<Result<DirectJson<Offer>>> {
        find(ctx, &id).await.transpose()
    }

    /// The offers of a user, or of all users.
    // The arguments of a field are listed once, here.
    #[allow(clippy::too_many_arguments)]
    #[graphql(complexity = "schema::limits::page_complexity(first, last, child_complexity)")]
    async fn offers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The identifier of the user; all users if omitted.")] user_id: Option<ID>,
        #[graphql(desc = "Restricts the list.")] filter: Option<OfferFilter>,
        #[graphql(
            default_with = "OfferOrder::Oldest",
            desc = "The order of the list. A cursor is valid in its order only."
        )]
        order_by: OfferOrder,
        #[graphql(desc = "The number of offers from the start, at most 1000.")] first: Option<i32>,
        #[graphql(desc = "Only offers after this cursor.")] after: Option<String>,
        #[graphql(desc = "The number of offers from the end, at most 1000.")] last: Option<i32>,
        #[graphql(desc = "Only offers before this cursor.")] before: Option<String>,
    ) -> Result<DirectJson<OfferConnection<Offer>>> {
        let (after, before) = (after.as_deref(), before.as_deref());
        let page = PageArguments { first, after, last, before };
        let offers = OfferList::validate(user_id.as_ref(), filter, order_by, page)?;
        let offers = offers.for_selection(&ctx.look_ahead());
        let budget = AnswerBudget::from_ctx(ctx);
        let page = OffersState::from_ctx(ctx).browse(budget, offers).await?;
        Ok(DirectJson(page.connection(|row| row.0, |(_, offer)| DirectJson(offer.into()))))
    }

    /// Every code that an error can carry as `extensions.code` in GraphQL and as `code` in REST.
    #[graphql(shareable)]
    async fn error_codes(&self) -> &'static [ErrorCode] {
        ErrorCode::ALL
    }

    /// Resolves an offer by its key, for other subgraphs.
    #[graphql(entity)]
    async fn find_offer_by_id(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> Result<Option<DirectJson<Offer>>> {
        let (offers, budget) = (OffersState::from_ctx(ctx), AnswerBudget::from_ctx(ctx));
        let offer = offers.find_by_key(budget, id::parse(&id)).await?;
        Ok(offer.map(|offer| DirectJson(offer.into())))
    }

    /// Resolves a user by its key, for other subgraphs.
    #[graphql(entity)]
    async fn find_user_by_id(&self, ctx: &Context<'_>, id: ID) -> Option<DirectJson<User>> {
        let id = id::parse(&id)?;
        let page = prefetch::selected_offers_page(&ctx.look_ahead());
        let prefetched = PrefetchedOffers::load(page, |page| load_page(ctx, id, page)).await;
        Some(DirectJson(User::new(id, prefetched)))
    }
}

async fn find(ctx: &Context<'_>, id: &str) -> Result<Option<DirectJson<Offer>>> {
    let offer = OffersState::from_ctx(ctx).find(AnswerBudget::from_ctx(ctx), id::parse(id)).await?;
    Ok(offer.map(|offer| DirectJson(offer.into())))
}

#[derive(Default)]
pub(crate) struct OfferMutation;

/// Root mutation type.
#[Object(name = "Mutation")]
impl OfferMutation {
    /// Creates an offer.
    async fn create_offer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new offer and its user.")] input: CreateOfferInput,
    ) -> Result<DirectJson<Offer>> {
        let (offers, viewer) = (OffersState::from_ctx(ctx), Viewer::from_ctx(ctx));
        // First, so that a client without a token learns nothing about its input.
        offers.require_token(CREATE_OFFER, viewer)?;
        let new = NewOffer::validate(input)?;
        let event = SecurityEvent::new(CREATE_OFFER).user(new.user_id()).actor(viewer);
        let allowed = viewer.authorize_as(offers.security, new.user_id());
        allowed.inspect_err(|error| event.log_refusal(error))?;
        let created = offers.create(new).await.inspect_err(|error| event.log_refusal(error));
        created.map(|offer| DirectJson(offer.into()))
    }

    /// Updates an offer.
    async fn update_offer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The identifier of the offer.")] id: ID,
        #[graphql(desc = "The fields to update.")] input: UpdateOfferInput,
    ) -> Result<DirectJson<Offer>> {
        let (offers, viewer) = (OffersState::from_ctx(ctx), Viewer::from_ctx(ctx));
        offers.require_token(UPDATE_OFFER, viewer)?;
        let change = OfferChange::validate(input)?;
        let id = offers.authorize_owner(UPDATE_OFFER, id::parse(&id), viewer).await?;
        let seen = Precondition::from_ctx(ctx)?;
        offers.update(id, change, seen).await.map(|offer| DirectJson(offer.into()))
    }

    /// Deletes an offer.
    async fn delete_offer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The identifier of the offer.")] id: ID,
    ) -> Result<bool> {
        let (offers, viewer) = (OffersState::from_ctx(ctx), Viewer::from_ctx(ctx));
        offers.require_token(DELETE_OFFER, viewer)?;
        let id = offers.authorize_owner(DELETE_OFFER, id::parse(&id), viewer).await?;
        offers.delete(id, Precondition::from_ctx(ctx)?).await.map(|()| true)
    }
}
