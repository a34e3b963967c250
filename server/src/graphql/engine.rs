//! Runs what was asked, whichever way it came.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{Executor, Request, parser::types::OperationType};
use futures_util::{FutureExt, Stream, StreamExt};
use schema::{DirectJsonEnabled, Error, ErrorCode, IdFormat, Viewer};

use super::{
    Limits, absent,
    answer::{Answer, Refusal},
    cache::Cache,
    document::Document,
    params::Params,
};
use crate::telemetry;

/// A schema with its documents and limits.
pub(super) struct Engine<E> {
    schema: E,
    documents: Cache,
    limits: Limits,
    once: &'static [&'static str],
    introspection: bool,
}

/// What may be run.
pub(super) struct Operation {
    pub(super) kind: OperationType,
    request: Request,
}

impl<E: Executor> Engine<E> {
    pub(super) fn new(
        schema: E,
        limits: Limits,
        once: &'static [&'static str],
        introspection: bool,
    ) -> Self {
        Self { schema, documents: Cache::new(limits.kept), limits, once, introspection }
    }

    /// Finds the operation, and checks what can be checked without the schema.
    ///
    /// # Errors
    /// Why it cannot be run.
    pub(super) fn prepare(&self, mut params: Params, viewer: Viewer) -> Result<Operation, Refusal> {
        let read = |text: &str| Document::read(text, &self.limits, self.once);
        let document: Arc<Document> = self.documents.find(&params, read)?;
        if document.introspects() && !self.introspection {
            let detail = "Questions about the schema are switched off.";
            return Err(Error::new(ErrorCode::GraphqlValidationFailed, detail).into());
        }
        let operation = &document.operation(params.operation_name.as_deref())?.node;
        let variables = params.take_variables();
        document.check_variables(operation, &variables, &self.limits)?;
        let mut parsed = document.parsed.clone();
        absent::settle(&mut parsed, operation, &variables);
        let mut request =
            Request::new(params.query.unwrap_or_default()).variables(variables).data(viewer);
        if document.distinct {
            request = request.data(DirectJsonEnabled(IdFormat::String));
        }
        request.set_parsed_query(parsed);
        request.operation_name = params.operation_name;
        Ok(Operation { kind: operation.ty, request })
    }

    /// Runs a query or a mutation.
    ///
    /// A mutation goes on to its end in a task of its own, also where nobody waits for it any
    /// more: one that is dropped half-way would leave half of its work done.
    pub(super) async fn run(&self, operation: Operation) -> Answer {
        let schema = self.schema.clone();
        let execution = async move { schema.execute(operation.request).await };
        let response = if operation.kind == OperationType::Mutation {
            telemetry::spawn_instrumented(execution).await.ok()
        } else {
            AssertUnwindSafe(execution).catch_unwind().await.ok()
        };
        let introspection = self.introspection;
        response.map_or_else(Answer::panicked, |response| Answer::new(response, introspection))
    }

    /// Runs a subscription.
    pub(super) fn stream(
        &self,
        operation: Operation,
    ) -> impl Stream<Item = Answer> + Send + use<E> {
        let introspection = self.introspection;
        let events = self.schema.execute_stream(operation.request, None);
        AssertUnwindSafe(events).catch_unwind().map(move |response| {
            response.map_or_else(
                |_| Answer::panicked(),
                |response| Answer::new(response, introspection),
            )
        })
    }
}
