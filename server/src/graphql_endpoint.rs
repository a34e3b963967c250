//! The GraphQL endpoint of a service: maps viewers and errors to the seams of [`graphql_http`].

use std::{borrow::Cow, fmt::Display, sync::Arc, time::Duration};

use async_graphql::{ObjectType, Schema, SchemaBuilder, ServerError, SubscriptionType};
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use chrono::Utc;
use futures_util::{FutureExt, future::BoxFuture};
use graphql_http::{Endpoint, ErrorPolicy, FieldToCost, Limits, TaskContext};
use schema::{Error, Result, Viewer, limits};

use crate::{
    auth::{self, Authenticator, bearer_token},
    client_ip,
    problem::Problem,
    telemetry,
};

/// Creates an endpoint for clients, with limits on their documents, whose resolvers get a [`Viewer`].
#[must_use]
pub fn endpoint<Q, M, S>(
    schema: SchemaBuilder<Q, M, S>,
    authenticator: Authenticator,
) -> Endpoint<Schema<Q, M, S>, TokenAuthenticator>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let limits = Limits {
        max_entities: limits::MAX_ENTITIES,
        max_entities_cost: limits::MAX_ENTITIES_COMPLEXITY,
        field_cost: |FieldToCost { name, first, last, children }| {
            limits::entity_field_complexity(name, first, last, children)
        },
        ..Limits::default()
    };
    Endpoint {
        limits,
        error_policy: Arc::new(ProblemPolicy),
        task_context: Arc::new(RequestContext),
        ..Endpoint::new(limits::apply(schema), TokenAuthenticator(authenticator))
    }
}

/// Authenticates clients by access tokens.
pub struct TokenAuthenticator(Authenticator);

impl graphql_http::ClientAuthenticator for TokenAuthenticator {
    type Credentials = Arc<str>;
    type Viewer = Viewer;
    type Error = Error;

    fn credentials_from_headers(&self, headers: &HeaderMap) -> Result<Option<Arc<str>>> {
        Ok(bearer_token(headers)?.map(Arc::from))
    }

    async fn verify_credentials(&self, token: Option<Arc<str>>) -> Result<Viewer> {
        match token {
            None => Ok(Viewer::Anonymous),
            Some(token) => auth::authenticate(&self.0, &token).await,
        }
    }

    fn lifetime(&self, viewer: &Viewer) -> Option<Duration> {
        match viewer {
            Viewer::Anonymous => None,
            Viewer::User { expires_at, .. } => {
                Some((*expires_at - Utc::now()).to_std().unwrap_or_default())
            }
        }
    }
}

/// Gives an error the status and headers that REST gives it.
struct ProblemPolicy;

impl ErrorPolicy for ProblemPolicy {
    fn status_and_headers(&self, error: &ServerError) -> Option<(StatusCode, HeaderMap)> {
        let problem = Problem::from(error.source::<Error>()?.clone());
        let (mut head, _) = problem.into_response().into_parts();
        head.headers.remove(header::CONTENT_TYPE);
        Some((head.status, head.headers))
    }

    fn mask(&self, cause: &dyn Display) -> Cow<'static, str> {
        Error::internal(cause).detail
    }
}

/// Keeps the trace of a mutation, and the client's address in a mutation and on a WebSocket.
struct RequestContext;

impl TaskContext for RequestContext {
    fn wrap_mutation(&self, execution: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        telemetry::in_current_context(execution).boxed()
    }

    fn wrap_connection(&self, connection: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        client_ip::scope(client_ip::current(), connection).boxed()
    }
}

#[cfg(test)]
mod tests {
    use graphql_http::EndpointErrorCode;
    use schema::ErrorCode;

    use crate::problem;

    #[test]
    fn codes_of_the_endpoint_are_in_the_list_with_the_same_status() {
        for code in EndpointErrorCode::ALL {
            let listed = ErrorCode::ALL.iter().find(|listed| listed.as_str() == code.as_str());
            let listed = *listed.unwrap_or_else(|| panic!("{code:?} is not in ErrorCode"));
            // The endpoint has a status for each media type here, and REST none.
            if listed != ErrorCode::PersistedQueryNotFound {
                assert_eq!(code.http_status(), problem::http_status(listed), "{code:?}");
            }
        }
    }
}
