//! Execution of an operation, independent of its transport.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{
    Executor, Name, Pos, Request, Response,
    parser::types::{DocumentOperations, OperationType},
};
use direct_json::{AnswerBudget, AnswerTooLarge, DirectJsonEnabled};
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::sync::oneshot;

use crate::{
    Limits,
    cache::{DocumentCache, FoundDocument},
    compat::{entity_errors, omitted_variables, root_fields},
    cost::{check_entities, estimated_bytes},
    document::ParsedDocument,
    error::{EndpointErrorCode, ErrorPolicy, RequestError},
    field_collection::collect_fields,
    params::RequestParams,
    response::RequestOutcome,
    task_context::TaskContext,
    validation::{SchemaTypes, coerce_variables, validate_document},
};

/// A schema with its limits, and a cache of its documents.
pub(crate) struct DocumentExecutor<E> {
    pub(crate) schema: E,
    pub(crate) types: SchemaTypes,
    pub(crate) documents: Arc<DocumentCache>,
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
    /// The approximate memory of its document and variables.
    pub(crate) bytes: usize,
    request: Request,
    entity_fields: Vec<(Pos, Name)>,
    budget: Arc<AnswerBudget>,
    found: FoundDocument,
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
    /// Finds the operation of a request, and checks it and its variables.
    ///
    /// # Errors
    /// The document, its operation or its variables are rejected.
    pub(crate) fn prepare(
        &self,
        mut params: RequestParams,
        viewer: impl Clone + Send + Sync + 'static,
    ) -> Result<Operation, RequestError> {
        let parse = |text: &str| {
            let document = ParsedDocument::from_text(text, &self.limits, self.single_use_fields)?;
            validate_document(&document.parsed, &self.types, self.introspection)?;
            Ok(document)
        };
        let found = self.documents.get_or_parse(&params, parse)?;
        let document = &*found.document;
        if document.uses_introspection() && !self.introspection {
            let message = "Introspection is disabled.";
            return Err(RequestError::new(EndpointErrorCode::GraphqlValidationFailed, message));
        }
        let operation = &document.operation(params.operation_name.as_deref())?.node;
        let variables = params.take_variables();
        document.check_variables(&variables, &self.limits)?;
        let variables = coerce_variables(operation, variables, &self.types)?;
        check_entities(&document.parsed, operation, &variables, &self.limits)?;
        let mut parsed = document.parsed.clone();
        if let (DocumentOperations::Multiple(operations), Some(name)) =
            (&mut parsed.operations, &params.operation_name)
        {
            // The limits are those of the operation that runs.
            operations.retain(|operation, _| operation == name);
        }
        root_fields::merge_root_fields(&mut parsed, &variables);
        omitted_variables::remove(&mut parsed, operation, &variables);
        let needs_no_credentials = operation.ty == OperationType::Mutation
            && collect_fields(&operation.selection_set.node, &document.parsed.fragments)
                .iter()
                .all(|field| self.credential_fields.contains(&field.node.name.node.as_str()));
        let bytes = document.bytes + variables.values().map(estimated_bytes).sum::<usize>();
        // The text is not needed along with its document.
        let request = Request::new("").variables(variables).data(viewer);
        let budget = Arc::<AnswerBudget>::default();
        let mut request = enable_direct_json(request, document).data(Arc::clone(&budget));
        let entity_fields = entity_errors::entity_fields(&parsed);
        request.set_parsed_query(parsed);
        request.operation_name = params.operation_name;
        Ok(Operation {
            kind: operation.ty,
            needs_no_credentials,
            bytes,
            request,
            entity_fields,
            budget,
            found,
        })
    }

    /// Executes a query or a mutation.
    ///
    /// A mutation runs to its end in a task of its own, even if the client disconnects: one that is
    /// dropped in the middle would leave half of its work done.
    pub(crate) async fn execute(&self, operation: Operation) -> RequestOutcome {
        let Operation { kind, request, entity_fields, budget, mut found, .. } = operation;
        let schema = self.schema.clone();
        let execution = async move { schema.execute(request).await };
        let mut response = if kind == OperationType::Mutation {
            let (sender, receiver) = oneshot::channel();
            let work = async move { drop(sender.send(execution.await)) };
            tokio::spawn(self.task_context.wrap_mutation(work.boxed()));
            receiver.await.ok()
        } else {
            AssertUnwindSafe(execution).catch_unwind().await.ok()
        };
        if let Some(response) = &mut response {
            entity_errors::add_paths(&mut response.errors, &entity_fields);
        }
        match response {
            // A mutation has had its effect: its answer lacks the fields that were too large.
            Some(_) if budget.is_exceeded() && kind != OperationType::Mutation => {
                RequestOutcome::RequestError(AnswerTooLarge.into())
            }
            response => {
                let outcome = outcome(response, &*self.error_policy);
                found.keep_if_valid(&outcome, &self.documents);
                outcome
            }
        }
    }

    /// Executes a subscription. Each event has a budget of its own.
    pub(crate) fn subscribe(
        &self,
        operation: Operation,
    ) -> impl Stream<Item = RequestOutcome> + Send + use<E> {
        let error_policy = Arc::clone(&self.error_policy);
        let Operation { request, budget, mut found, .. } = operation;
        let documents = Arc::clone(&self.documents);
        let events = self.schema.execute_stream(request, None);
        AssertUnwindSafe(events).catch_unwind().map(move |response| {
            budget.reset();
            let outcome = outcome(response.ok(), &*error_policy);
            found.keep_if_valid(&outcome, &documents);
            outcome
        })
    }
}

impl FoundDocument {
    /// Keeps a document for other requests, once its validation has succeeded.
    fn keep_if_valid(&mut self, outcome: &RequestOutcome, documents: &DocumentCache) {
        if matches!(outcome, RequestOutcome::Executed(_))
            && let Some(key) = self.new_key.take()
        {
            documents.put(key, Arc::clone(&self.document));
        }
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
