//! Validation of a document against a schema (GraphQL specification, section 5, of September 2025),
//! once a document: nothing here depends on the values of variables, except for [`coercion`].
//!
//! | section | rules | file |
//! | --- | --- | --- |
//! | 5.2 | operations | [`operations`]; unique names: `syntax` |
//! | 5.3, 5.4 | fields and arguments | [`fields`] |
//! | 5.3.2 | fields can merge | [`merging`] |
//! | 5.5 | fragments | [`fragments`]; unique names: `syntax`; cycles: `cost` |
//! | 5.6 | values | [`values`]; unique input fields: `syntax` |
//! | 5.7 | directives | [`directives`] |
//! | 5.8 | variables | [`variables`] |
//! | 6.1.2 | values of variables | [`coercion`] |
//!
//! async-graphql's validation takes values of variables into account, does not look into fragments
//! for fields that cannot merge, and takes the time of each request. So schemas are built with
//! `ValidationMode::Fast`.

mod coercion;
mod directives;
mod fields;
mod fragments;
mod merging;
mod operations;
mod types;
mod values;
mod variables;

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Pos, ServerError,
    parser::types::{DirectiveLocation, ExecutableDocument, OperationType},
};

pub(crate) use coercion::coerce_variables;
pub(crate) use types::SchemaTypes;
use variables::VariableUse;

use crate::error::{EndpointErrorCode, MAX_ERRORS, RequestError};

/// The most edits between an unknown name and one that is suggested.
const MAX_SUGGESTION_EDITS: usize = 2;

/// Validates a document whose fragments form no cycle. Messages suggest names of the schema only if
/// `suggestions` is true.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED`, or `QUERY_TOO_COMPLEX` if it takes too many steps to find out whether
/// fields can merge.
pub(crate) fn validate_document(
    document: &ExecutableDocument,
    types: &SchemaTypes,
    suggestions: bool,
) -> Result<(), RequestError> {
    let mut validator = DocumentValidator::new(document, types, suggestions);
    validator.check_document();
    let mut errors = validator.errors;
    if errors.is_empty() {
        errors = merging::find_conflicts(document, types)?;
    }
    if errors.is_empty() {
        return Ok(());
    }
    // The definitions are in no order.
    errors.sort_by_key(|error| error.locations.first().copied());
    Err(RequestError::from_errors(EndpointErrorCode::GraphqlValidationFailed, errors))
}

/// The variables and fragments that a definition uses.
#[derive(Default)]
struct Uses<'a> {
    variables: Vec<VariableUse<'a>>,
    fragments: Vec<&'a str>,
}

struct DocumentValidator<'a> {
    document: &'a ExecutableDocument,
    types: &'a SchemaTypes,
    suggestions: bool,
    errors: Vec<ServerError>,
    /// The uses of the definition that is being checked.
    uses: Uses<'a>,
}

impl<'a> DocumentValidator<'a> {
    fn new(document: &'a ExecutableDocument, types: &'a SchemaTypes, suggestions: bool) -> Self {
        Self { document, types, suggestions, errors: Vec::new(), uses: Uses::default() }
    }

    fn check_document(&mut self) {
        let mut fragments = HashMap::new();
        for (name, fragment) in &self.document.fragments {
            let fragment = &fragment.node;
            self.check_directives(&fragment.directives, DirectiveLocation::FragmentDefinition);
            let parent = self.check_type_condition(&fragment.type_condition);
            self.check_selection_set(&fragment.selection_set.node, parent);
            fragments.insert(name.as_str(), std::mem::take(&mut self.uses));
        }
        let mut reached = HashSet::new();
        for (_, operation) in self.document.operations.iter() {
            let parent = self.check_operation_type(operation);
            let operation = &operation.node;
            let location = match operation.ty {
                OperationType::Query => DirectiveLocation::Query,
                OperationType::Mutation => DirectiveLocation::Mutation,
                OperationType::Subscription => DirectiveLocation::Subscription,
            };
            self.check_directives(&operation.directives, location);
            self.check_selection_set(&operation.selection_set.node, parent);
            let own = std::mem::take(&mut self.uses);
            let spread = fragments::reachable_fragments(&own, &fragments);
            let uses = spread.iter().map(|name| &fragments[name]);
            self.check_variables(operation, uses.chain([&own]));
            reached.extend(spread);
        }
        self.report_unused_fragments(&reached);
    }

    /// Reports an error. Those that no client is shown are dropped.
    fn report(&mut self, message: String, pos: Pos) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(ServerError::new(message, Some(pos)));
        }
    }

    /// Reports a name that does not exist, with a similar one that does.
    fn report_unknown<'n>(
        &mut self,
        message: &str,
        name: &str,
        known: impl Iterator<Item = &'n str>,
        pos: Pos,
    ) {
        let mut suggestion = String::new();
        if self.suggestions && self.errors.len() < MAX_ERRORS {
            let edits = |known| strsim::osa_distance(name, known);
            let nearest = known.map(|known| (edits(known), known)).min();
            if let Some((_, known)) = nearest.filter(|(edits, _)| *edits <= MAX_SUGGESTION_EDITS) {
                suggestion = format!(" Did you mean \"{known}\"?");
            }
        }
        self.report(format!("{message}{suggestion}"), pos);
    }
}
