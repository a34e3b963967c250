//! GraphQL over HTTP.

use std::sync::Arc;

use async_graphql::{Executor, parser::types::OperationType};
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use crate::{
    ClientAuthenticator, EndpointState, WEBSOCKET_PATH,
    byte_budget::{self, BodyError, Busy},
    error::{EndpointErrorCode, RequestError},
    executor::Operation,
    negotiation::{self, MediaType},
    params::RequestParams,
    response::RequestOutcome,
};

/// Answers a query in the query string; a browser without a query gets the landing page.
pub(crate) async fn get<E: Executor, A: ClientAuthenticator>(
    State(state): State<Arc<EndpointState<E, A>>>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let wants_page = negotiation::prefers_html(&head.headers) && head.uri.query().is_none();
    if let Some(page) = state.landing_page.as_ref().filter(|_| wants_page) {
        return ([(header::VARY, "accept")], page()).into_response();
    }
    let Some(media) = negotiation::negotiate(&head.headers) else { return not_acceptable() };
    let read =
        async |head: Parts| RequestParams::from_uri(&head.uri, state.executor.limits.max_values);
    let prepared = prepare(&state, head, read).await.and_then(reject_mutation);
    execute_and_respond(&state, media, prepared).await
}

/// Answers a query or a mutation in the body.
pub(crate) async fn post<E: Executor, A: ClientAuthenticator>(
    State(state): State<Arc<EndpointState<E, A>>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let Some(media) = negotiation::negotiate(&head.headers) else { return not_acceptable() };
    let read = async |head: Parts| {
        let limits = &state.executor.limits;
        let body = read_json(&head, body, limits.max_body_bytes).await?;
        RequestParams::from_json(&body, limits.max_values)
    };
    let prepared = prepare(&state, head, read).await.and_then(reject_subscription);
    execute_and_respond(&state, media, prepared).await
}

/// Authenticates a request before its parameters are read, and prepares its operation.
async fn prepare<E: Executor, A: ClientAuthenticator>(
    state: &EndpointState<E, A>,
    head: Parts,
    read: impl AsyncFnOnce(Parts) -> Result<RequestParams, RequestError>,
) -> Result<Operation, RequestError> {
    let credentials = state.authenticator.credentials_from_headers(&head.headers);
    let (viewer, rejection) = state.identify(credentials).await?;
    let prepared = read(head).await.and_then(|params| state.executor.prepare(params, viewer));
    Operation::despite(rejection, prepared)
}

/// Answers any other method.
pub(crate) async fn not_allowed(headers: HeaderMap) -> Response {
    reject_method(&headers, "Use GET or POST.", "GET, HEAD, POST")
}

/// Answers a method that is not allowed.
pub(crate) fn reject_method(
    headers: &HeaderMap,
    message: &'static str,
    allow: &'static str,
) -> Response {
    let error = RequestError::new(EndpointErrorCode::MethodNotAllowed, message);
    let media = negotiation::negotiate(headers).unwrap_or(MediaType::Json);
    let mut response = respond(media, RequestOutcome::RequestError(error));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

fn not_acceptable() -> Response {
    let message =
        "Accept must allow application/graphql-response+json or application/json, in UTF-8.";
    let error = RequestError::new(EndpointErrorCode::NotAcceptable, message);
    respond(MediaType::Json, RequestOutcome::RequestError(error))
}

async fn read_json(head: &Parts, body: Body, max_bytes: usize) -> Result<Bytes, RequestError> {
    if !is_json(&head.headers) || head.headers.contains_key(header::CONTENT_ENCODING) {
        let message = "The body must be application/json in UTF-8, without a Content-Encoding.";
        return Err(RequestError::new(EndpointErrorCode::UnsupportedMediaType, message));
    }
    byte_budget::read_request(body, max_bytes).await.map_err(|error| match error {
        BodyError::TooLarge => RequestError::new(
            EndpointErrorCode::PayloadTooLarge,
            format!("The body is larger than {} KiB.", max_bytes / 1024),
        ),
        BodyError::Incomplete => RequestError::new(
            EndpointErrorCode::BadRequest,
            "The body could not be read to its end.",
        ),
        BodyError::Busy => Busy.into(),
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return false };
    let Ok(value) = value.to_str() else { return false };
    let mut parts = value.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    json && parts
        .filter_map(|part| part.split_once('='))
        .all(|(name, value)| !name.eq_ignore_ascii_case("charset") || negotiation::is_utf8(value))
}

fn reject_mutation(operation: Operation) -> Result<Operation, RequestError> {
    if operation.kind == OperationType::Mutation {
        let message = "A mutation must be sent by POST.";
        return Err(RequestError::new(EndpointErrorCode::MethodNotAllowed, message));
    }
    reject_subscription(operation)
}

fn reject_subscription(operation: Operation) -> Result<Operation, RequestError> {
    if operation.kind == OperationType::Subscription {
        let message = format!("A subscription needs a WebSocket at {WEBSOCKET_PATH}.");
        return Err(RequestError::new(EndpointErrorCode::BadRequest, message));
    }
    Ok(operation)
}

async fn execute_and_respond<E: Executor, A>(
    state: &EndpointState<E, A>,
    media: MediaType,
    prepared: Result<Operation, RequestError>,
) -> Response {
    match prepared {
        Err(error) => respond(media, RequestOutcome::RequestError(error)),
        Ok(operation) => {
            let is_mutation = operation.kind == OperationType::Mutation;
            let outcome = state.executor.execute(operation).await;
            // The answer of a mutation is given in any case: a repetition would do the work again.
            let mut response =
                if is_mutation { respond(media, outcome) } else { respond_if_room(media, outcome) };
            if is_mutation {
                // The response may hold tokens.
                forbid_caching(&mut response);
            }
            response
        }
    }
}

/// Writes the response. One that cannot be serialised is 500 without a body.
pub(crate) fn respond(media: MediaType, outcome: RequestOutcome) -> Response {
    match outcome.into_json() {
        Ok((outcome, body)) => response(media, &outcome, body.into()),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Writes the response like [`respond`], or `BUSY` if too many answers are not sent yet.
fn respond_if_room(media: MediaType, outcome: RequestOutcome) -> Response {
    let Ok((outcome, body)) = outcome.into_json() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    match byte_budget::hold_answer(body) {
        Ok(body) => response(media, &outcome, body),
        Err(busy) => respond(media, RequestOutcome::RequestError(busy.into())),
    }
}

fn response(media: MediaType, outcome: &RequestOutcome, body: Bytes) -> Response {
    let status = match (outcome, media) {
        (RequestOutcome::Executed(_), _) => StatusCode::OK,
        (RequestOutcome::RequestError(error), MediaType::GraphqlResponse) => error.status,
        (RequestOutcome::RequestError(error), MediaType::Json) => error.json_status,
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media.header_value());
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    match outcome {
        RequestOutcome::Executed(response) => add_headers(headers, &response.http_headers),
        RequestOutcome::RequestError(error) => {
            add_headers(headers, &error.headers);
            forbid_caching(&mut response);
        }
    }
    response
}

fn add_headers(headers: &mut HeaderMap, more: &HeaderMap) {
    headers.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
}

fn forbid_caching(response: &mut Response) {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
