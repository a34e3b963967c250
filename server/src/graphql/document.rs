//! A document that was parsed and found to be within the limits.

use async_graphql::{
    Positioned, ServerError, Variables,
    parser::{
        self,
        types::{DocumentOperations, ExecutableDocument, OperationDefinition},
    },
};
use schema::{Error, ErrorCode};

use super::{
    answer::Refusal,
    limits::{Limits, too_complex},
    measure::{self, Measures},
    root,
    scan::scan,
};

/// About how much memory a token takes once it is parsed.
const TOKEN: usize = 200;

/// What is known of a document without its variables.
#[derive(Debug)]
pub(super) struct Document {
    /// Parsed, and put so that each root field runs once.
    pub(super) parsed: ExecutableDocument,
    /// About how much memory it takes.
    pub(super) bytes: usize,
    /// Whether its answer needs no merging.
    pub(super) distinct: bool,
    measures: Measures,
}

impl Document {
    /// Parses a text.
    ///
    /// # Errors
    /// `GRAPHQL_PARSE_FAILED`, `GRAPHQL_VALIDATION_FAILED` or `QUERY_TOO_COMPLEX`.
    pub(super) fn read(text: &str, limits: &Limits, once: &[&str]) -> Result<Self, Refusal> {
        let tokens = scan(text, limits)?;
        let mut parsed = parser::parse_query(text).map_err(unparsed)?;
        let measures = measure::measure(&parsed, limits)?;
        root::settle(&mut parsed, limits, once)?;
        let distinct = root::distinct(&parsed);
        Ok(Self { parsed, bytes: tokens * TOKEN, distinct, measures })
    }

    /// Whether it asks about the schema.
    pub(super) fn introspects(&self) -> bool {
        self.measures.introspection > 0
    }

    /// The operation to run.
    ///
    /// # Errors
    /// `GRAPHQL_VALIDATION_FAILED` where there is no such operation, or more than one.
    pub(super) fn operation(
        &self,
        name: Option<&str>,
    ) -> Result<&Positioned<OperationDefinition>, Refusal> {
        let invalid = |detail| Err(Error::new(ErrorCode::GraphqlValidationFailed, detail).into());
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

    /// Refuses variables that are missing or too large.
    ///
    /// # Errors
    /// `GRAPHQL_VALIDATION_FAILED` or `QUERY_TOO_COMPLEX`.
    pub(super) fn check_variables(
        &self,
        operation: &OperationDefinition,
        values: &Variables,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        self.measures.check_variables(values, limits.variables)?;
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
            Err(Refusal::many(ErrorCode::GraphqlValidationFailed, errors))
        }
    }
}

/// Tells a syntax error by what was expected and where, without the line that the parser repeats.
fn unparsed(error: parser::Error) -> Refusal {
    if matches!(error, parser::Error::RecursionLimitExceeded) {
        return too_complex("The document is nested too deep.");
    }
    let mut error = ServerError::from(error);
    if let Some((_, expected)) = error.message.rsplit_once("= ") {
        error.message = format!("Syntax error: {}.", expected.trim().replace('_', " "));
    }
    Refusal::many(ErrorCode::GraphqlParseFailed, vec![error])
}
