//! The GraphQL schema: each resolver validates its input, authorizes the viewer and calls a rule.

pub(crate) mod accounts;
mod offers;
pub(crate) mod sessions;
pub(crate) mod users;

use async_graphql::{EmptySubscription, MergedObject, SchemaBuilder};
use schema::{descriptions, prefetch::OfferConnection};

use accounts::AccountMutation;
use offers::Offer;
use sessions::SessionMutation;
use users::{UserConnection, UserQuery};

/// The GraphQL schema of this service.
pub(crate) type Schema = async_graphql::Schema<UserQuery, Mutation, EmptySubscription>;

/// Root mutation type.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(AccountMutation, SessionMutation);

/// Returns a builder of the schema, without its state and its limits.
pub(crate) fn schema_builder() -> SchemaBuilder<UserQuery, Mutation, EmptySubscription> {
    let builder = Schema::build(UserQuery, Mutation::default(), EmptySubscription)
        .enable_federation()
        .override_output_type_description::<UserConnection>("A page of users.")
        .override_output_type_description::<OfferConnection<Offer>>("A page of offers.");
    descriptions::describe_shared_types(builder)
}
