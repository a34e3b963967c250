//! What this service knows of a user: their offers.

use async_graphql::{Context, ID, Object};
use schema::{AtHand, Page, Result, id};

use crate::{
    Offers,
    offer::{Offer, OfferConnection},
};

/// A user, by its id alone.
pub(crate) struct User {
    id: i64,
}

impl User {
    pub(crate) fn new(id: i64) -> Self {
        Self { id }
    }
}

/// Who registered.
#[Object(shareable)]
impl User {
    /// The identifier of the user.
    async fn id(&self) -> ID {
        id::show(self.id)
    }

    /// The first 1000 offers of the user, oldest first. Null while the Offers service cannot be
    /// reached.
    #[graphql(complexity = "schema::limits::LIST * (1 + child_complexity)")]
    async fn offers(&self, ctx: &Context<'_>) -> Option<Result<AtHand<Vec<Offer>>>> {
        let page = Offers::of(ctx).page(self.id, Page::FULL).await;
        let offers = |page: OfferConnection| page.edges.into_iter().map(|edge| edge.node.0);
        Some(page.map(|page| AtHand(offers(page).collect())))
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
            Ok(page) => Some(Offers::of(ctx).page(self.id, page).await.map(AtHand)),
            Err(error) => Some(Err(error)),
        }
    }
}
