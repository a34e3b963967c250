//! The REST routes. Each runs the document of its name and translates the answer.

mod offers;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use schema::{ErrorCode, Result, Security};
use server::{
    openapi::{self, BearerAuth, ErrorResponses},
    problem,
    rest::{RouteDocument, RouteSchema},
};
use utoipa::{OpenApi, openapi::OpenApi as OpenApiDocument};

use crate::Schema;

/// The table of routes. Paths are without their trailing slash, which the server removes.
///
/// # Errors
/// The error of a document that is not valid.
pub(crate) fn router(schema: Schema) -> Result<Router, String> {
    let offer = get(offers::read_offer).patch(offers::update_offer).delete(offers::delete_offer);
    Ok(Router::new()
        .route("/offer/create", post(offers::create_offer))
        .route("/offer/{offer_id}", offer)
        .route("/offer", get(offers::browse_offers).post(offers::find_offers))
        .with_state(Arc::new(RestState::new(schema)?)))
}

type SharedState = State<Arc<RestState>>;

/// The documents of the routes.
struct RestState {
    create_offer: RouteDocument<Schema>,
    offer: RouteDocument<Schema>,
    offers: RouteDocument<Schema>,
    update_offer: RouteDocument<Schema>,
    delete_offer: RouteDocument<Schema>,
    browse_offers: RouteDocument<Schema>,
}

impl RestState {
    fn new(schema: Schema) -> Result<Self, String> {
        let schema = RouteSchema::new(schema, include_str!("offer_fields.graphql"))?;
        Ok(Self {
            create_offer: schema.document(include_str!("create_offer.graphql"))?,
            offer: schema.document(include_str!("offer.graphql"))?,
            offers: schema.document(include_str!("offers.graphql"))?,
            update_offer: schema.document(include_str!("update_offer.graphql"))?,
            delete_offer: schema.document(include_str!("delete_offer.graphql"))?,
            browse_offers: schema.document(include_str!("browse_offers.graphql"))?,
        })
    }
}

/// The OpenAPI document of the routes.
#[derive(OpenApi)]
#[openapi(
    paths(
        offers::create_offer,
        offers::find_offers,
        offers::read_offer,
        offers::update_offer,
        offers::delete_offer,
        offers::browse_offers,
    ),
    info(title = "Offers", description = "Classified ads of users."),
    tags((name = "offers", description = "Classified ads.")),
    components(schemas(problem::Problem)),
    modifiers(&BEARER_AUTH, &ERROR_RESPONSES)
)]
struct ApiDoc;

const BEARER_AUTH: BearerAuth = BearerAuth(
    "The access token of the Users service: of its `POST /user/auth/` or `POST /user/refresh/`.",
);

/// The error codes of operations, besides those that all operations share.
const ERROR_RESPONSES: ErrorResponses = ErrorResponses {
    codes: &[
        (
            "createOffer",
            &[
                ErrorCode::UserNotFound,
                ErrorCode::IdempotencyKeyReused,
                ErrorCode::Forbidden,
                ErrorCode::KeysUnavailable,
            ],
        ),
        ("findOffers", &[ErrorCode::KeysUnavailable]),
        ("readOffer", &[ErrorCode::NotFound, ErrorCode::KeysUnavailable]),
        ("updateOffer", &[ErrorCode::Forbidden, ErrorCode::NotFound, ErrorCode::KeysUnavailable]),
        ("deleteOffer", &[ErrorCode::Forbidden, ErrorCode::NotFound, ErrorCode::KeysUnavailable]),
        ("browseOffers", &[ErrorCode::KeysUnavailable]),
    ],
    examples: &[
        (ErrorCode::InvalidInput, "/user_id", "is missing"),
        (ErrorCode::UserNotFound, "/user_id", "does not refer to an existing user"),
        (
            ErrorCode::IdempotencyKeyReused,
            "/idempotency_key",
            "was used before, with another request",
        ),
    ],
};

/// Returns the OpenAPI document of an instance in this mode.
pub(crate) fn openapi(security: Security) -> OpenApiDocument {
    openapi::for_mode(ApiDoc::openapi(), security)
}

#[cfg(test)]
mod tests {
    use schema::Offer;
    use server::rest::compare_fragment;

    use super::*;

    #[tokio::test]
    async fn every_document_is_valid() {
        let schema = crate::types().limit_complexity(0).finish();
        let RestState { create_offer, offer, offers, update_offer, delete_offer, browse_offers } =
            RestState::new(schema).unwrap();
        for document in [create_offer, offer, offers, update_offer, delete_offer, browse_offers] {
            assert_eq!(document.validate_document().await, Ok(()));
        }
    }

    #[test]
    fn fragments_select_every_field_of_the_openapi_schemas() {
        assert_eq!(compare_fragment::<Offer>(include_str!("offer_fields.graphql")), Ok(()));
    }
}
