//! The rules on the root fields of an operation, which are work rather than data.

use async_graphql::{
    Pos, Positioned,
    parser::types::{ExecutableDocument, Field, OperationType},
};

use crate::{
    Limits, compat::mutation_fields, error::RequestError, field_collection::collect_fields,
};

/// Checks the root fields of every operation. Of `single_use_fields` an operation may select one in
/// all.
///
/// # Errors
/// `QUERY_TOO_COMPLEX` or `GRAPHQL_VALIDATION_FAILED`.
pub(crate) fn check_root_fields(
    document: &ExecutableDocument,
    limits: &Limits,
    single_use_fields: &[&str],
) -> Result<(), RequestError> {
    for (_, operation) in document.operations.iter() {
        let fields = collect_fields(&operation.node.selection_set.node, &document.fragments);
        if fields.len() > limits.max_root_fields {
            return Err(RequestError::too_complex("The operation has too many root fields."));
        }
        let single_use = |field: &&&Positioned<Field>| {
            single_use_fields.contains(&field.node.name.node.as_str())
        };
        if fields.iter().filter(single_use).count() > 1 {
            return Err(RequestError::too_complex(
                "A request may check or change credentials only once.",
            ));
        }
        match operation.node.ty {
            OperationType::Query => (),
            OperationType::Mutation => mutation_fields::reject_duplicates(&fields)?,
            OperationType::Subscription => require_single_field(&fields, operation.pos)?,
        }
    }
    Ok(())
}

/// Source: GraphQL specification, section 5.2.3.1, "Single root field".
fn require_single_field(fields: &[&Positioned<Field>], pos: Pos) -> Result<(), RequestError> {
    match fields {
        [field] if !field.node.name.node.starts_with("__") => Ok(()),
        _ => Err(RequestError::invalid(
            "A subscription must select exactly one field.".to_owned(),
            pos,
        )),
    }
}
