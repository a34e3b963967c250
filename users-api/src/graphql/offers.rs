//! The resolvers of offers, which offers-api returns.

use async_graphql::{ComplexObject, Context, SimpleObject, parser::types::Field};
use schema::{
    AnswerBudget, DirectJson, JsonWriter, Page, PageRequest, Result, WriteJson, pagination::Cursor,
    prefetch::OfferConnection,
};

use super::users::{User, require_user};
use crate::state::UsersState;

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
    async fn user(&self, ctx: &Context<'_>) -> Result<DirectJson<User>> {
        require_user(ctx, self.fields.user_id.0).await
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
    let budget = AnswerBudget::from_ctx(ctx);
    UsersState::from_ctx(ctx).offers.page(budget, user_id, page).await.map(connection)
}

/// Converts a page of offers to a connection.
pub(crate) fn connection(page: Page<schema::Offer>) -> OfferConnection<Offer> {
    page.connection(|offer| Cursor::oldest(offer.id.0), |offer| DirectJson(offer.into()))
}
