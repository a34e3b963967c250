//! The subscriptions.

use async_graphql::{Context, ID, Subscription};
use futures_util::{Stream, StreamExt};
use schema::{Result, validation};

use crate::{OffersState, graphql::offers::Offer};

#[derive(Default)]
pub(crate) struct OfferSubscription;

/// Root subscription type.
#[Subscription(name = "Subscription")]
impl OfferSubscription {
    /// Each offer that is created from now on, of one user or of all. A client that reads too
    /// slowly gets the error `EVENTS_LOST`, and the subscription ends.
    async fn offer_created(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The identifier of the user; all users if omitted.")] user_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<Offer>> + use<>> {
        let user_id = user_id.map(|id| validation::user_id("/userId", &id)).transpose()?;
        let offers = OffersState::from_ctx(ctx).feed.subscribe(user_id).await?;
        Ok(offers.map(|offer| offer.map(Offer::from)))
    }
}
