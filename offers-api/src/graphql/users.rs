//! The resolvers of users: this service contributes their offers.

use async_graphql::{Context, Object, parser::types::Field};
use schema::{
    DirectJson, Id, JsonWriter, PageRequest, PrefetchedOffers, Result, WriteJson,
    prefetch::{self, OfferConnection},
};

use super::offers::{Offer, load_page};

/// A user, known by its identifier.
pub(crate) struct User {
    id: i64,
    prefetched: PrefetchedOffers<Offer>,
}

impl User {
    pub(crate) fn new(id: i64, prefetched: PrefetchedOffers<Offer>) -> Self {
        Self { id, prefetched }
    }

    async fn page(&self, ctx: &Context<'_>, page: PageRequest) -> Result<OfferConnection<Offer>> {
        self.prefetched.take_or_load(page, load_page(ctx, self.id, page)).await
    }
}

/// A registered user.
#[Object(shareable)]
impl User {
    /// The identifier of the user.
    async fn id(&self) -> Id {
        Id(self.id)
    }

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
        if field.name.node == "id" {
            json.id(self.id);
            return Some(());
        }
        self.prefetched.write_field(field, json)
    }
}
