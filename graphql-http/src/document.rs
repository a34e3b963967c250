//! A document that was parsed and is within the limits.

use async_graphql::{
    Positioned, Variables,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition},
};

use crate::{
    Limits,
    cost::{DocumentCost, document_cost},
    error::{EndpointErrorCode, RequestError},
    field_collection::has_unique_keys,
    root_fields::check_root_fields,
    syntax::parse_document,
    token_limits::count_tokens,
};

/// The approximate memory of a token once it is parsed, in bytes.
const PARSED_TOKEN_BYTES: usize = 200;

/// A document and all that is known of it without its variables.
#[derive(Debug)]
pub(crate) struct ParsedDocument {
    pub(crate) parsed: ExecutableDocument,
    /// Its approximate memory.
    pub(crate) bytes: usize,
    /// True if no selection holds a response key twice.
    pub(crate) has_unique_keys: bool,
    cost: DocumentCost,
}

impl ParsedDocument {
    /// Parses a text and checks it against the limits.
    ///
    /// # Errors
    /// `GRAPHQL_PARSE_FAILED`, `GRAPHQL_VALIDATION_FAILED` or `QUERY_TOO_COMPLEX`.
    pub(crate) fn from_text(
        text: &str,
        limits: &Limits,
        single_use_fields: &[&str],
    ) -> Result<Self, RequestError> {
        let tokens = count_tokens(text, limits)?;
        let parsed = parse_document(text)?;
        let cost = document_cost(&parsed, limits)?;
        check_root_fields(&parsed, limits, single_use_fields)?;
        let has_unique_keys = has_unique_keys(&parsed);
        // Strings and names are copied from the text.
        let bytes = tokens * PARSED_TOKEN_BYTES + 2 * text.len();
        Ok(Self { parsed, bytes, has_unique_keys, cost })
    }

    /// Returns whether the document selects `__schema`, `__type` or `_service`.
    pub(crate) fn uses_introspection(&self) -> bool {
        self.cost.introspection > 0
    }

    /// Returns the operation to execute.
    ///
    /// # Errors
    /// `GRAPHQL_VALIDATION_FAILED` if there is no such operation, or several and no name.
    pub(crate) fn operation(
        &self,
        name: Option<&str>,
    ) -> Result<&Positioned<OperationDefinition>, RequestError> {
        let invalid =
            |message| Err(RequestError::new(EndpointErrorCode::GraphqlValidationFailed, message));
        match (&self.parsed.operations, name) {
            (DocumentOperations::Single(operation), None) => Ok(operation),
            (DocumentOperations::Multiple(operations), Some(name))
                if operations.contains_key(name) =>
            {
                Ok(&operations[name])
            }
            (_, Some(_)) => invalid("The document has no operation of this name."),
            (DocumentOperations::Multiple(operations), None) => {
                let mut operations = operations.values();
                match (operations.next(), operations.next()) {
                    (Some(operation), None) => Ok(operation),
                    _ => invalid("operationName must say which operation to run."),
                }
            }
        }
    }

    /// Rejects variables that are too large.
    ///
    /// # Errors
    /// `QUERY_TOO_COMPLEX`.
    pub(crate) fn check_variables(
        &self,
        values: &Variables,
        limits: &Limits,
    ) -> Result<(), RequestError> {
        self.cost.check_variables(values, limits.max_variable_bytes)
    }
}
