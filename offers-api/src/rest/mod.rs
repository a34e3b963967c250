//! The REST routes: each runs the one document beside it and translates the answer.

use async_graphql::{Value, value};
use axum::{
    Extension, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use chrono::{DateTime, Utc};
use schema::{ErrorCode, Result, Security, Viewer, pagination};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use server::{
    openapi::{self, BearerToken, Failures},
    problem::Problem,
    rest::{Body, Document, PageJson, Params, next_link, page_of},
};
use std::sync::Arc;
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::{Schema, validation};

/// The table of routes. Paths are without their trailing slash, which the server takes away.
///
/// # Errors
/// Says which document is no GraphQL.
pub(crate) fn router(schema: Schema) -> Result<Router, String> {
    let rest = Rest {
        schema,
        create: Document::parse(include_str!("create_offer.graphql"))?,
        one: Document::parse(include_str!("offer.graphql"))?,
        list: Document::parse(include_str!("offers.graphql"))?,
    };
    Ok(Router::new()
        .route("/offer/create", post(create))
        .route("/offer", post(read))
        .with_state(Arc::new(rest)))
}

struct Rest {
    schema: Schema,
    create: Document,
    one: Document,
    list: Document,
}

/// The description of the routes.
#[derive(OpenApi)]
#[openapi(
    paths(create, read),
    info(title = "Offers", description = "Classified ads: creates and reads what users offer."),
    tags((name = "offers", description = "What users offer.")),
    components(schemas(Problem)),
    modifiers(&BearerToken, &FAILURES)
)]
struct Api;

/// How operations fail, besides what all share.
const FAILURES: Failures = Failures(&[
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
]);

/// The description of an instance with these access rules.
pub(crate) fn openapi(security: Security) -> utoipa::openapi::OpenApi {
    openapi::of(Api::openapi(), security)
}

/// What a user offers.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes an answer")]
struct Offer {
    /// The identifier of the offer.
    #[schema(example = 1)]
    id: i64,
    /// The user who offers.
    #[schema(example = 1)]
    user_id: i64,
    /// What is offered, in one line.
    #[schema(example = "Bicycle")]
    title: String,
    /// What is offered.
    #[schema(example = "Blue, hardly used.")]
    text: String,
    /// When the offer was created.
    created_at: DateTime<Utc>,
}

/// A new offer.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes a body")]
struct NewOffer {
    /// The user who offers.
    #[schema(minimum = 1, example = 1)]
    user_id: i64,
    /// What is offered, in one line.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u001F\u007F-\u009F]+$",
        example = "Bicycle"
    )]
    title: String,
    /// What is offered.
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"^[^\u0000]+$",
        example = "Blue, hardly used."
    )]
    text: String,
}

/// Names a request, so that it can be repeated after a lost answer.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY: &str = "What the client names this request by, 1 to 255 visible ASCII characters. \
    For a day, the same request with the same key answers the same offer and creates no other.";

/// Creates an offer of a user.
#[utoipa::path(
    post, path = "/offer/create/", operation_id = "createOffer", tag = "offers", request_body = NewOffer,
    params(("Idempotency-Key" = Option<String>, Header, description = IDEMPOTENCY)), security((), ("bearer" = [])),
    responses(
        (status = 201, description = "The offer.", body = Offer),
    )
)]
async fn create(
    State(rest): State<Arc<Rest>>,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response, Problem> {
    // What is no text breaks the rule for a key.
    let key = headers.get(IDEMPOTENCY_KEY).map(|key| String::from_utf8_lossy(key.as_bytes()));
    let input = value!({
        "userId": body.id("user_id"),
        "title": body.text("title", Some(validation::title)),
        "text": body.text("text", Some(validation::text)),
        "idempotencyKey": key.map_or(Value::Null, |key| key.into_owned().into()),
    });
    body.finish()?;
    let answer = rest.create.run(&rest.schema, viewer, [("input", input)]).await?;
    Ok((StatusCode::CREATED, answer).into_response())
}

/// Which offers: exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes a body")]
enum Which {
    #[schema(title = "One offer")]
    One(WhichOffer),
    #[schema(title = "The offers of a user")]
    Many(WhichUser),
}

/// The offer with this identifier.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "describes a body")]
struct WhichOffer {
    /// The identifier of the offer.
    #[schema(minimum = 1, example = 1)]
    offer_id: i64,
    /// Not both.
    #[schema(schema_with = openapi::null)]
    user_id: Option<()>,
}

/// The offers of this user.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "describes a body")]
struct WhichUser {
    /// The identifier of the user.
    #[schema(minimum = 1, example = 1)]
    user_id: i64,
    /// Not both.
    #[schema(schema_with = openapi::null)]
    offer_id: Option<()>,
}

/// Which page of a user's offers.
#[derive(IntoParams)]
#[allow(dead_code, reason = "describes parameters")]
#[into_params(parameter_in = Query)]
struct PageParams {
    /// How many offers, 1000 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i32>,
    /// Only offers after the one with this identifier.
    #[param(minimum = 0)]
    after: Option<i64>,
}

/// An offer, or an empty array.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes an answer")]
enum Offers {
    One(Offer),
    Many(Vec<Offer>),
}

/// One offer by `offer_id`, or the offers of a user by `user_id`, oldest first.
#[utoipa::path(
    post, path = "/offer/", operation_id = "findOffers", tag = "offers", params(PageParams), request_body = Which,
    responses(
        (status = 200, description = "The offer, or the array of offers; an empty array where there is none. `Link` names the page that follows.", body = Offers),
    )
)]
async fn read(
    State(rest): State<Arc<Rest>>,
    Extension(viewer): Extension<Viewer>,
    mut params: Params,
    mut body: Body,
) -> Result<Response, Problem> {
    let (size, after) = (params.size("limit", pagination::MAX_PAGE_SIZE), params.after("after"));
    params.finish()?;
    match (body.has("offer_id"), body.has("user_id")) {
        (true, false) => {
            let id = body.id("offer_id");
            body.finish()?;
            let answer = rest.one.run(&rest.schema, viewer, [("id", Value::from(id))]).await?;
            let there = answer.read::<Option<IgnoredAny>>()?.is_some();
            Ok(if there { answer.into_response() } else { none() })
        }
        (false, true) => {
            let user_id = body.id("user_id");
            body.finish()?;
            let variables = [
                ("userId", Value::from(user_id)),
                ("first", Value::from(size)),
                ("after", pagination::encode_cursor(after).into()),
            ];
            let answer = rest.list.run(&rest.schema, viewer, variables).await?;
            Ok(list(&answer.read()?, size))
        }
        _ => {
            for name in ["offer_id", "user_id"] {
                body.wrong(name, "must be there, and not the other of offer_id and user_id");
            }
            body.finish()?;
            Ok(none())
        }
    }
}

fn none() -> Response {
    Json([(); 0]).into_response()
}

fn list(found: &PageJson<'_>, size: i32) -> Response {
    let link =
        found.continues().map(|id| next_link("/offer/", &[("limit", size.into()), ("after", id)]));
    page_of(found.nodes, link)
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn every_document_is_valid() {
        let schema = crate::types().limit_complexity(0).finish();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rest");
        assert_eq!(server::rest::check(&schema, folder).await, Ok(3));
    }
}
