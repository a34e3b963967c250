//! A document that was parsed and is within the limits.

use async_graphql::{
    Positioned, ServerError, Variables,
    parser::{
        self,
        types::{DocumentOperations, ExecutableDocument, OperationDefinition},
    },
};

use crate::{
    Limits, compat,
    cost::{DocumentCost, document_cost},
    error::{EndpointErrorCode, RequestError},
    field_collection::has_unique_keys,
    root_fields::check_root_fields,
    token_limits::count_tokens,
};

/// The approximate memory of a token once it is parsed, in bytes.
const PARSED_TOKEN_BYTES: usize = 200;

/// A document and all that is known of it without its variables.
#[derive(Debug)]
pub(crate) struct ParsedDocument {
    /// The document, each of its root fields at most once.
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
        let mut parsed = parser::parse_query(text).map_err(syntax_error)?;
        let cost = document_cost(&parsed, limits)?;
        compat::mutation_fields::merge_duplicates(&mut parsed);
        check_root_fields(&parsed, limits, single_use_fields)?;
        compat::subscription_fragments::inline_fields(&mut parsed);
        let has_unique_keys = has_unique_keys(&parsed);
        // Strings and names are copied from the text.
        let bytes = tokens * PARSED_TOKEN_BYTES + 2 * text.len();
        Ok(Self { parsed, bytes, has_unique_keys, cost })
    }

    /// Returns whether the document selects `__schema` or `__type`.
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

    /// Rejects variables that are missing or too large.
    ///
    /// # Errors
    /// `GRAPHQL_VALIDATION_FAILED` or `QUERY_TOO_COMPLEX`.
    pub(crate) fn check_variables(
        &self,
        operation: &OperationDefinition,
        values: &Variables,
        limits: &Limits,
    ) -> Result<(), RequestError> {
        self.cost.check_variables(values, limits.max_variable_bytes)?;
        let missing = operation.variable_definitions.iter().filter(|definition| {
            let definition = &definition.node;
            let value = values.get(&definition.name.node);
            let default = definition.default_value.is_some();
            !definition.var_type.node.nullable
                && value.map_or(!default, |value| *value == async_graphql::Value::Null)
        });
        let errors: Vec<_> = missing
            .map(|definition| {
                let (name, kind) = (&definition.node.name.node, &definition.node.var_type.node);
                let message = format!("Variable \"${name}\" of type \"{kind}\" must be given.");
                ServerError::new(message, Some(definition.pos))
            })
            .collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(RequestError::from_errors(EndpointErrorCode::GraphqlValidationFailed, errors))
        }
    }
}

/// Describes a syntax error by the expected tokens and its position, without the source line that the
/// parser repeats.
fn syntax_error(error: parser::Error) -> RequestError {
    if matches!(error, parser::Error::RecursionLimitExceeded) {
        return RequestError::too_complex("The document is nested too deep.");
    }
    let mut error = ServerError::from(error);
    if let Some((_, expected)) = error.message.rsplit_once("= ") {
        error.message = format!("Syntax error: {}.", expected.trim().replace('_', " "));
    }
    RequestError::from_errors(EndpointErrorCode::GraphqlParseFailed, vec![error])
}
