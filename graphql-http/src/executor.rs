//! Execution of an operation, independent of its transport.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{Executor, Request, Response, parser::types::OperationType};
use direct_json::DirectJsonEnabled;
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::sync::oneshot;

use crate::{
    Limits,
    cache::DocumentCache,
    compat::omitted_variables,
    document::ParsedDocument,
    error::{EndpointErrorCode, ErrorPolicy, RequestError},
    field_collection::collect_fields,
    params::RequestParams,
    response::RequestOutcome,
    task_context::TaskContext,
};

/// A schema with its limits, and a cache of its documents.
pub(crate) struct DocumentExecutor<E> {
    pub(crate) schema: E,
    pub(crate) documents: DocumentCache,
    pub(crate) limits: Limits,
    pub(crate) single_use_fields: &'static [&'static str],
    pub(crate) credential_fields: &'static [&'static str],
    pub(crate) introspection: bool,
    pub(crate) error_policy: Arc<dyn ErrorPolicy>,
    pub(crate) task_context: Arc<dyn TaskContext>,
}

/// An operation that may be executed.
pub(crate) struct Operation {
    pub(crate) kind: OperationType,
    /// True for a mutation of [`Endpoint::credential_fields`](crate::Endpoint::credential_fields) alone.
    needs_no_credentials: bool,
    request: Request,
}

impl Operation {
    /// Returns the operation that was prepared, if credentials were not rejected or it needs none.
    ///
    /// # Errors
    /// The rejection, or else the error of the preparation.
    pub(crate) fn despite(
        rejection: Option<RequestError>,
        prepared: Result<Self, RequestError>,
    ) -> Result<Self, RequestError> {
        match (rejection, prepared) {
            (Some(_), Ok(operation)) if operation.needs_no_credentials => Ok(operation),
            (Some(rejection), _) => Err(rejection),
            (None, prepared) => prepared,
        }
    }
}

impl<E: Executor> DocumentExecutor<E> {
    /// Finds the operation of a request, and checks all that does not need the schema.
    ///
    /// # Errors
    /// The document, its operation or its variables are rejected.
    pub(crate) fn prepare(
        &self,
        mut params: RequestParams,
        viewer: impl Clone + Send + Sync + 'static,
    ) -> Result<Operation, RequestError> {
        let parse =
            |text: &str| ParsedDocument::from_text(text, &self.limits, self.single_use_fields);
        let document = self.documents.get_or_parse(&params, parse)?;
        if document.uses_introspection() && !self.introspection {
            let message = "Introspection is disabled.";
            return Err(RequestError::new(EndpointErrorCode::GraphqlValidationFailed, message));
        }
        let operation = &document.operation(params.operation_name.as_deref())?.node;
        let variables = params.take_variables();
        document.check_variables(operation, &variables, &self.limits)?;
        let mut parsed = document.parsed.clone();
        omitted_variables::remove(&mut parsed, operation, &variables);
        let request =
            Request::new(params.query.unwrap_or_default()).variables(variables).data(viewer);
        let needs_no_credentials = operation.ty == OperationType::Mutation
            && collect_fields(&operation.selection_set.node, &document.parsed.fragments)
                .iter()
                .all(|field| self.credential_fields.contains(&field.node.name.node.as_str()));
        let mut request = enable_direct_json(request, &document);
        request.set_parsed_query(parsed);
        request.operation_name = params.operation_name;
        Ok(Operation { kind: operation.ty, needs_no_credentials, request })
    }

    /// Executes a query or a mutation.
    ///
    /// A mutation runs to its end in a task of its own, even if the client disconnects: one that is
    /// dropped in the middle would leave half of its work done.
    pub(crate) async fn execute(&self, operation: Operation) -> RequestOutcome {
        let schema = self.schema.clone();
        let execution = async move { schema.execute(operation.request).await };
        let response = if operation.kind == OperationType::Mutation {
            let (sender, receiver) = oneshot::channel();
            let work = async move { drop(sender.send(execution.await)) };
            tokio::spawn(self.task_context.wrap_mutation(work.boxed()));
            receiver.await.ok()
        } else {
            AssertUnwindSafe(execution).catch_unwind().await.ok()
        };
        outcome(response, &*self.error_policy)
    }

    /// Executes a subscription.
    pub(crate) fn subscribe(
        &self,
        operation: Operation,
    ) -> impl Stream<Item = RequestOutcome> + Send + use<E> {
        let error_policy = Arc::clone(&self.error_policy);
        let events = self.schema.execute_stream(operation.request, None);
        AssertUnwindSafe(events)
            .catch_unwind()
            .map(move |response| outcome(response.ok(), &*error_policy))
    }
}

/// Reads a response; `None` stands for a panic.
fn outcome(response: Option<Response>, policy: &dyn ErrorPolicy) -> RequestOutcome {
    match response {
        Some(response) => RequestOutcome::new(response, policy),
        None => {
            RequestOutcome::RequestError(RequestError::internal(&"a resolver panicked", policy))
        }
    }
}

/// Marks the request of a document that may be answered by writing JSON directly.
fn enable_direct_json(request: Request, document: &ParsedDocument) -> Request {
    if document.has_unique_keys { request.data(DirectJsonEnabled) } else { request }
}
