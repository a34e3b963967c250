//! The limits on the root fields of an operation, which are work rather than data.

use std::collections::HashSet;

use async_graphql::parser::types::ExecutableDocument;

use crate::{Limits, error::RequestError, field_collection::collect_fields};

/// Checks the root fields of every operation. Of `single_use_fields` an operation may select one in
/// all.
///
/// # Errors
/// `QUERY_TOO_COMPLEX`.
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
        let used = fields.iter().map(|field| &field.node);
        let used = used.filter(|field| single_use_fields.contains(&field.name.node.as_str()));
        let keys: HashSet<_> = used.map(|field| &field.response_key().node).collect();
        if keys.len() > 1 {
            return Err(RequestError::too_complex(
                "A request may check or change credentials only once.",
            ));
        }
    }
    Ok(())
}
