//! The routes of offers.

use async_graphql::value;
use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use schema::{
    Error, ErrorCode, FieldError, Offer, OfferStatus, Precondition, Result, Viewer, pagination,
};
use server::{
    openapi::null_schema,
    problem::Problem,
    rest::{
        FieldJson, JsonBody, ObjectJson, PageJson, Preconditions, QueryParams,
        conditional::{IF_MATCH, IF_NONE_MATCH, NOT_MODIFIED},
        next_link, page_response, tagged_response,
    },
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{KnownFormat, ObjectBuilder, OneOfBuilder, Ref, SchemaFormat, Type},
    },
};

use super::{RestState, SharedState};
use crate::offers::{CreateOfferInput, NewOffer, OfferChange, UpdateOfferInput, offer_not_found};

/// The header that identifies a request, for a retry after a lost response.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_KEY_DESCRIPTION: &str = "Identifies the request: 1 to 255 visible ASCII characters. \
    For 24 hours, repeating the request with this key returns the original offer.";

/// Number of offers on a page of `GET /offer/` without `limit`.
const DEFAULT_LIST_SIZE: i32 = 20;
/// Maximum number of offers on a page of `GET /offer/`.
const MAX_LIST_SIZE: i32 = 100;

/// The orders of `GET /offer/`.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "describes a parameter")]
pub(crate) enum Sort {
    Newest,
    Oldest,
    PriceAsc,
    PriceDesc,
}

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
    responses(
        (status = 201, description = "The offer.", body = Offer, headers(
            ("Location" = String, description = "The address of the offer."),
            ("ETag" = String, description = "The strong entity tag of the object."),
        )),
    )
)]
pub(crate) async fn create_offer(
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
    let id: i64 = offer.deserialize::<ObjectJson<'_>>()?.get("id")?;
    let location = [(header::LOCATION, format!("/offer/{id}/"))];
    Ok((StatusCode::CREATED, location, tagged_response(offer.into_json())).into_response())
}

/// Reads one offer by `offer_id`, or the offers of a user by `user_id`, oldest first.
#[utoipa::path(
    post, path = "/offer/", operation_id = "findOffers", tag = "offers", request_body = FindOffersRequest,
    params(
        ("limit" = Option<i32>, Query, minimum = 1, maximum = 1000, description = "The size of the page, 1000 by default. A page ends early after 1 MiB of text."),
        ("after" = Option<i64>, Query, minimum = 0, description = "Returns only offers after the one with this id."),
    ),
    responses(
        (status = 200, description = "The offer, or the array of offers; an empty array if there is none. `Link` refers to the next page.", body = FindOffersResponse),
    )
)]
pub(crate) async fn find_offers(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    mut params: QueryParams,
    body: JsonBody,
) -> Result<Response, Problem> {
    let size = params.page_size("limit", pagination::MAX_PAGE_SIZE, pagination::MAX_PAGE_SIZE);
    let after = params.after("after");
    params.into_result()?;
    match (body.has_value("offer_id"), body.has_value("user_id")) {
        (true, false) => {
            let variables = rest.offer.variables(body, value!({}))?;
            let offer = rest.offer.run(viewer, variables).await?;
            Ok(if offer.is_null() { Json([(); 0]).into_response() } else { offer.into_response() })
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

/// Reads an offer.
#[utoipa::path(
    get, path = "/offer/{offer_id}/", operation_id = "readOffer", tag = "offers",
    params(
        ("offer_id" = i64, Path, minimum = 1, description = "The id of the offer.", example = 1),
        ("If-Match" = Option<String>, Header, description = IF_MATCH),
        ("If-None-Match" = Option<String>, Header, description = IF_NONE_MATCH),
    ),
    responses(
        (status = 200, description = "The offer.", body = Offer, headers(("ETag" = String, description = "The strong entity tag of the object."))),
        (status = 304, description = NOT_MODIFIED, headers(("ETag" = String, description = "The strong entity tag of the object."))),
    )
)]
pub(crate) async fn read_offer(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    path: OfferPath,
    preconditions: Preconditions,
) -> Result<Response, Problem> {
    let offer = rest.read_offer(viewer, &offer_id(path)?).await?.ok_or_else(offer_not_found)?;
    Ok(preconditions.respond_to_get(offer.into_json())?)
}

/// Updates an offer.
#[utoipa::path(
    patch, path = "/offer/{offer_id}/", operation_id = "updateOffer", tag = "offers", request_body = UpdateOfferInput,
    params(
        ("offer_id" = i64, Path, minimum = 1, description = "The id of the offer.", example = 1),
        ("If-Match" = Option<String>, Header, description = IF_MATCH),
    ),
    security((), ("bearer" = [])),
    responses(
        (status = 200, description = "The offer.", body = Offer, headers(("ETag" = String, description = "The strong entity tag of the object."))),
    )
)]
pub(crate) async fn update_offer(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    path: OfferPath,
    preconditions: Preconditions,
    body: JsonBody,
) -> Result<Response, Problem> {
    let id = offer_id(path)?;
    let given = value!({ "offerId": id.as_str() });
    let variables = rest.update_offer.validated_variables(body, given, OfferChange::validate)?;
    let precondition = rest.precondition(&preconditions, viewer, &id).await?;
    let offer = rest.update_offer.run_if(viewer, variables, precondition).await?;
    Ok(tagged_response(offer.into_json()))
}

/// Deletes an offer.
#[utoipa::path(
    delete, path = "/offer/{offer_id}/", operation_id = "deleteOffer", tag = "offers",
    params(
        ("offer_id" = i64, Path, minimum = 1, description = "The id of the offer.", example = 1),
        ("If-Match" = Option<String>, Header, description = IF_MATCH),
    ),
    security((), ("bearer" = [])),
    responses((status = 204, description = "The offer is deleted."))
)]
pub(crate) async fn delete_offer(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    path: OfferPath,
    preconditions: Preconditions,
) -> Result<StatusCode, Problem> {
    let id = offer_id(path)?;
    let precondition = rest.precondition(&preconditions, viewer, &id).await?;
    rest.delete_offer.run_if(viewer, value!({ "offerId": id }), precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl RestState {
    /// Reads an offer, or returns `None` if there is none with this id.
    async fn read_offer(&self, viewer: Viewer, id: &str) -> Result<Option<FieldJson>> {
        let offer = self.offer.run(viewer, value!({ "offerId": id })).await?;
        Ok((!offer.is_null()).then_some(offer))
    }

    /// Returns the precondition of a change. The time of the last update is the state of an offer.
    async fn precondition(
        &self,
        preconditions: &Preconditions,
        viewer: Viewer,
        id: &str,
    ) -> Result<Precondition<DateTime<Utc>>> {
        let read = async || {
            let Some(offer) = self.read_offer(viewer, id).await? else { return Ok(None) };
            let updated_at = offer.deserialize::<ObjectJson<'_>>()?.get("updated_at")?;
            Ok(Some((offer.into_json(), updated_at)))
        };
        preconditions.for_change(read).await
    }
}

type OfferPath = Result<Path<String>, PathRejection>;

/// Returns the id in a path. A segment that is not UTF-8 is no id.
fn offer_id(path: OfferPath) -> Result<String> {
    path.map(|Path(id)| id).map_err(|_| offer_not_found())
}

/// Lists the offers of all users or of one: newest first, open ones of all users, unless the
/// parameters say otherwise.
#[utoipa::path(
    get, path = "/offer/", operation_id = "browseOffers", tag = "offers",
    params(
        ("q" = Option<String>, Query, max_length = 200, example = "bicycle -red", description = "Searches title and text for words, of which every one must match, \"phrases\", `-not` and `or`."),
        ("user_id" = Option<i64>, Query, minimum = 1, description = "Returns only offers of this user, of any status."),
        ("status" = Option<OfferStatus>, Query, description = "The status; `open` by default if there is no `user_id`."),
        ("currency" = Option<String>, Query, pattern = "^[A-Z]{3}$", description = "The currency of the price. With an order by price, offers without a price come last."),
        ("min_price" = Option<i64>, Query, minimum = 0, description = "The minimum amount of the price. Requires `currency`."),
        ("max_price" = Option<i64>, Query, minimum = 0, description = "The maximum amount of the price. Requires `currency`."),
        ("sort" = inline(Option<Sort>), Query, description = "The order; `newest` by default. An order by price requires `currency`."),
        ("limit" = Option<i32>, Query, minimum = 1, maximum = 100, description = "The size of the page, 20 by default."),
        ("after" = Option<String>, Query, description = "The position of the page, from a `Link`."),
    ),
    responses((status = 200, description = "The offers. `Link` refers to the next page.", body = [Offer]))
)]
pub(crate) async fn browse_offers(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    mut params: QueryParams,
) -> Result<Response, Problem> {
    let size = params.page_size("limit", DEFAULT_LIST_SIZE, MAX_LIST_SIZE);
    let given = value!({ "limit": size });
    let variables = rest.browse_offers.query_variables(&mut params, given)?;
    let answer = rest.browse_offers.run(viewer, variables).await?;
    let page: PageJson<'_> = answer.deserialize()?;
    let link = page.next_cursor().map(|cursor| params.link_with("/offer/", "after", cursor));
    Ok(page_response(page.nodes, link))
}

fn not_exactly_one() -> Error {
    let fields = ["/offer_id", "/user_id"].map(|pointer| FieldError {
        pointer: pointer.to_owned(),
        detail: "exactly one of offer_id and user_id is required".into(),
    });
    let detail = "Exactly one of offer_id and user_id is required.";
    Error::new(ErrorCode::InvalidInput, detail).with_field_errors(fields.into())
}
