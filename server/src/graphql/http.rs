//! GraphQL over HTTP.

use std::sync::Arc;

use async_graphql::{Executor, parser::types::OperationType};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use schema::{Error, ErrorCode, Result, Viewer};

use super::{
    SOCKET_PATH, Shared,
    accept::{self, Media},
    answer::{Answer, Refusal},
    engine::Operation,
    params::Params,
};
use crate::{auth, problem};

/// Answers a query in the query string; a browser that brings none gets the page.
pub(super) async fn get<E: Executor>(
    State(shared): State<Arc<Shared<E>>>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let wants_page = accept::prefers_html(&head.headers) && head.uri.query().is_none();
    if let Some(page) = shared.page.as_ref().filter(|_| wants_page) {
        return ([(header::VARY, "accept")], page()).into_response();
    }
    let Some(media) = accept::negotiate(&head.headers) else { return not_acceptable() };
    let prepared = async {
        let viewer = viewer(&shared, &head).await?;
        only_query(shared.engine.prepare(Params::from_uri(&head.uri)?, viewer)?)
    };
    answer(&shared, media, prepared.await).await
}

/// Answers a query or a mutation in the body.
pub(super) async fn post<E: Executor>(
    State(shared): State<Arc<Shared<E>>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let Some(media) = accept::negotiate(&head.headers) else { return not_acceptable() };
    let prepared = async {
        let viewer = viewer(&shared, &head).await?;
        let body = read(head, body).await?;
        no_subscription(shared.engine.prepare(Params::from_json(&body)?, viewer)?)
    };
    answer(&shared, media, prepared.await).await
}

/// Answers any other method.
pub(super) async fn not_allowed(headers: HeaderMap) -> Response {
    let error = Error::new(ErrorCode::MethodNotAllowed, "Use GET or POST.");
    let media = accept::negotiate(&headers).unwrap_or(Media::Json);
    let mut response = respond(media, &Answer::Refused(error.into()));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    response
}

/// Who asks. Where no layer has told it yet, the header does.
async fn viewer<E>(shared: &Shared<E>, head: &Parts) -> Result<Viewer> {
    if let Some(viewer) = head.extensions.get::<Viewer>() {
        return Ok(*viewer);
    }
    match auth::bearer_token(&head.headers)? {
        None => Ok(Viewer::Anonymous),
        Some(token) => shared.authenticator.authenticate(token).await,
    }
}

async fn read(head: Parts, body: Body) -> Result<Bytes> {
    if !is_json(&head.headers) || head.headers.contains_key(header::CONTENT_ENCODING) {
        let detail = "The body must be application/json in UTF-8, without a Content-Encoding.";
        return Err(Error::new(ErrorCode::UnsupportedMediaType, detail));
    }
    let request = Request::from_parts(head, body);
    Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Error::new(ErrorCode::PayloadTooLarge, "The body is larger than 256 KiB.")
        }
        _ => Error::new(ErrorCode::BadRequest, "The body could not be read to its end."),
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return false };
    let Ok(value) = value.to_str() else { return false };
    let mut parts = value.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    json && parts
        .filter_map(|part| part.split_once('='))
        .all(|(name, value)| !name.eq_ignore_ascii_case("charset") || accept::is_utf8(value))
}

fn only_query(operation: Operation) -> Result<Operation, Refusal> {
    if operation.kind == OperationType::Mutation {
        return Err(
            Error::new(ErrorCode::MethodNotAllowed, "A mutation must be sent by POST.").into()
        );
    }
    no_subscription(operation)
}

fn no_subscription(operation: Operation) -> Result<Operation, Refusal> {
    if operation.kind == OperationType::Subscription {
        let detail = format!("A subscription needs a WebSocket at {SOCKET_PATH}.");
        return Err(Error::new(ErrorCode::BadRequest, detail).into());
    }
    Ok(operation)
}

async fn answer<E: Executor>(
    shared: &Shared<E>,
    media: Media,
    prepared: Result<Operation, Refusal>,
) -> Response {
    match prepared {
        Err(refusal) => respond(media, &Answer::Refused(refusal)),
        Ok(operation) => {
            let mutation = operation.kind == OperationType::Mutation;
            let mut response = respond(media, &shared.engine.run(operation).await);
            if mutation {
                // It may hold tokens.
                no_store(&mut response);
            }
            response
        }
    }
}

fn respond(media: Media, answer: &Answer) -> Response {
    let (body, status) = match answer.to_json() {
        Ok(body) => (body, status(media, answer)),
        Err(error) => return problem::Problem::from(Error::internal(error)).into_response(),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media.header());
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    match answer {
        Answer::Executed(response) => headers.extend(own(&response.http_headers)),
        Answer::Refused(refusal) => {
            describe(headers, refusal);
            no_store(&mut response);
        }
    }
    response
}

fn own(headers: &HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    headers.iter().map(|(name, value)| (name.clone(), value.clone()))
}

fn no_store(response: &mut Response) {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

fn status(media: Media, answer: &Answer) -> StatusCode {
    match answer {
        Answer::Executed(_) => StatusCode::OK,
        Answer::Refused(refusal) => match (refusal.code, media) {
            // Clients of old take every other status for a failure of the network.
            (
                ErrorCode::GraphqlParseFailed
                | ErrorCode::GraphqlValidationFailed
                | ErrorCode::QueryTooComplex
                | ErrorCode::PersistedQueryNotFound,
                Media::Json,
            ) => StatusCode::OK,
            (ErrorCode::PersistedQueryNotFound, Media::Response) => StatusCode::BAD_REQUEST,
            (code, _) => problem::status(code),
        },
    }
}

/// The headers that belong to a status.
fn describe(headers: &mut HeaderMap, refusal: &Refusal) {
    match refusal.code {
        ErrorCode::MethodNotAllowed => {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        ErrorCode::InvalidToken => {
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        _ => (),
    }
    if let Some(seconds) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
}

fn not_acceptable() -> Response {
    let detail =
        "Accept must allow application/graphql-response+json or application/json, in UTF-8.";
    respond(Media::Json, &Answer::Refused(Error::new(ErrorCode::NotAcceptable, detail).into()))
}
