//! What this service knows of a user: their offers.

use async_graphql::{Context, ID, Object, parser::types::Field};
use schema::{
    DirectJson, JsonWriter, PageRequest, PrefetchedOffers, Result, WriteJson, id, prefetch,
};

use crate::{
    OffersState,
    graphql::offers::{Offer, OfferConnection},
};

/// A user, by its id alone.
pub(crate) struct User {
    id: i64,
    ahead: PrefetchedOffers<Offer>,
}

impl User {
    pub(crate) fn new(id: i64, ahead: PrefetchedOffers<Offer>) -> Self {
        Self { id, ahead }
    }

    async fn page(&self, ctx: &Context<'_>, page: PageRequest) -> Result<OfferConnection> {
        self.ahead.page(page, OffersState::from_ctx(ctx).page(self.id, page)).await
    }
}

/// Who registered.
#[Object(shareable)]
impl User {
    /// The identifier of the user.
    async fn id(&self) -> ID {
        id::to_graphql_id(self.id)
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
            "id" => json.id(self.id),
            _ => return self.ahead.write(field, json),
        }
        Some(())
    }
}
