//! The routes of offers.

use async_graphql::value;
use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use schema::{Error, ErrorCode, FieldError, Offer, Result, Viewer, pagination};
use serde::de::IgnoredAny;
use server::{
    openapi::null_schema,
    problem::Problem,
    rest::{JsonBody, PageJson, QueryParams, next_link, page_response},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{KnownFormat, ObjectBuilder, OneOfBuilder, Ref, SchemaFormat, Type},
    },
};

use super::SharedState;
use crate::offers::{CreateOfferInput, NewOffer};

/// The header that identifies a request, for a retry after a lost response.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_KEY_DESCRIPTION: &str = "Identifies the request: 1 to 255 visible ASCII characters. \
    For 24 hours, repeating the request with this key returns the original offer.";

/// The body of `POST /offer/`: exactly one of `offer_id` and `user_id`.
pub(crate) struct FindOffersRequest;

impl ToSchema for FindOffersRequest {}

impl PartialSchema for FindOffersRequest {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(only_id("One offer", "The id of the offer.", "offer_id", "user_id"))
            .item(only_id("The offers of a user", "The id of the user.", "user_id", "offer_id"))
            .description(Some("Exactly one of `offer_id` and `user_id`."))
            .into()
    }
}

/// Returns the schema of an object with the one id and without the other.
fn only_id(title: &str, description: &str, name: &str, other: &str) -> ObjectBuilder {
    let id = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some(description))
        .minimum(Some(1))
        .examples([1]);
    let object = ObjectBuilder::new().title(Some(title)).property(name, id).required(name);
    object.property(other, null_schema())
}

/// The answer to `POST /offer/`: an offer, or an array of offers.
pub(crate) struct FindOffersResponse;

impl ToSchema for FindOffersResponse {}

impl PartialSchema for FindOffersResponse {
    fn schema() -> RefOr<Schema> {
        let offer = Ref::from_schema_name(Offer::name());
        OneOfBuilder::new()
            .item(offer.clone())
            .item(offer.to_array_builder())
            .description(Some("An offer, or an array of offers."))
            .into()
    }
}

/// Creates an offer of a user.
#[utoipa::path(
    post, path = "/offer/create/", operation_id = "createOffer", tag = "offers", request_body = CreateOfferInput,
    params(("Idempotency-Key" = Option<String>, Header, description = IDEMPOTENCY_KEY_DESCRIPTION)),
    security((), ("bearer" = [])),
    responses((status = 201, description = "The offer.", body = Offer))
)]
pub(crate) async fn create(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
    mut body: JsonBody,
) -> Result<Response, Problem> {
    // A key that is not UTF-8 breaks the rule for keys.
    let key = headers.get(IDEMPOTENCY_KEY).map(|key| String::from_utf8_lossy(key.as_bytes()));
    body.set("idempotency_key", key.into());
    let variables = rest.create_offer.validated_variables(body, value!({}), NewOffer::validate)?;
    let offer = rest.create_offer.run(viewer, variables).await?;
    Ok((StatusCode::CREATED, offer).into_response())
}

/// Reads one offer by `offer_id`, or the offers of a user by `user_id`, oldest first.
#[utoipa::path(
    post, path = "/offer/", operation_id = "findOffers", tag = "offers", request_body = FindOffersRequest,
    params(
        ("limit" = Option<i32>, Query, minimum = 1, maximum = 1000, description = "The size of the page, 1000 by default."),
        ("after" = Option<i64>, Query, minimum = 0, description = "Returns only offers after the one with this id."),
    ),
    responses(
        (status = 200, description = "The offer, or the array of offers; an empty array if there is none. `Link` refers to the next page.", body = FindOffersResponse),
    )
)]
pub(crate) async fn find(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    mut params: QueryParams,
    body: JsonBody,
) -> Result<Response, Problem> {
    let size = params.page_size("limit", pagination::MAX_PAGE_SIZE);
    let after = params.after("after");
    params.into_result()?;
    match (body.has_value("offer_id"), body.has_value("user_id")) {
        (true, false) => {
            let variables = rest.offer.variables(body, value!({}))?;
            let offer = rest.offer.run(viewer, variables).await?;
            let found = offer.deserialize::<Option<IgnoredAny>>()?.is_some();
            Ok(if found { offer.into_response() } else { Json([(); 0]).into_response() })
        }
        (false, true) => {
            let given = value!({ "first": size, "after": pagination::encode_cursor(after) });
            let variables = rest.offers.variables(body, given)?;
            let answer = rest.offers.run(viewer, variables).await?;
            let page: PageJson<'_> = answer.deserialize()?;
            let next = page.next_after();
            let link =
                next.map(|id| next_link("/offer/", &[("limit", size.into()), ("after", id)]));
            Ok(page_response(page.nodes, link))
        }
        _ => Err(not_exactly_one().into()),
    }
}

fn not_exactly_one() -> Error {
    let fields = ["/offer_id", "/user_id"].map(|pointer| FieldError {
        pointer: pointer.to_owned(),
        detail: "exactly one of offer_id and user_id is required".into(),
    });
    let detail = "Exactly one of offer_id and user_id is required.";
    Error::new(ErrorCode::InvalidInput, detail).with_field_errors(fields.into())
}
