//! Operations (section 5.2).

use std::collections::HashSet;

use async_graphql::{
    Positioned,
    parser::types::{
        FragmentDefinition, OperationDefinition, OperationType, Selection, SelectionSet,
        TypeDefinition,
    },
};

use super::DocumentValidator;

impl<'a> DocumentValidator<'a> {
    /// Returns the type at the root of an operation (5.2.1.1, "Operation type existence"), and checks
    /// the root of a subscription.
    pub(super) fn check_operation_type(
        &mut self,
        operation: &'a Positioned<OperationDefinition>,
    ) -> Option<&'a TypeDefinition> {
        let ty = operation.node.ty;
        let root = self.types.root(ty);
        if root.is_none() {
            self.report(format!("The schema has no {ty}."), operation.pos);
        } else if ty == OperationType::Subscription {
            self.check_single_root_field(operation);
        }
        root
    }

    /// 5.2.4.1, "Single root field".
    fn check_single_root_field(&mut self, operation: &'a Positioned<OperationDefinition>) {
        let mut root = SubscriptionRoot::default();
        self.collect_root(&mut root, &operation.node.selection_set.node);
        if root.keys.len() != 1 || root.has_introspection {
            self.report("A subscription must select exactly one field.".to_owned(), operation.pos);
        }
        if root.has_condition {
            let message = "The field of a subscription must not depend on @skip or @include.";
            self.report(message.to_owned(), operation.pos);
        }
    }

    fn collect_root(&self, root: &mut SubscriptionRoot<'a>, set: &'a SelectionSet) {
        for selection in &set.items {
            let mut directives = selection.node.directives().iter();
            root.has_condition |=
                directives.any(|one| matches!(&*one.node.name.node, "skip" | "include"));
            match &selection.node {
                Selection::Field(field) => {
                    root.has_introspection |= field.node.name.node.starts_with("__");
                    root.keys.insert(&field.node.response_key().node);
                }
                Selection::InlineFragment(fragment) => {
                    self.collect_root(root, &fragment.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment: Option<&Positioned<FragmentDefinition>> =
                        self.document.fragments.get(name);
                    if let Some(fragment) = fragment.filter(|_| root.fragments.insert(name)) {
                        self.collect_root(root, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
}

/// The root of a subscription with its fragments spread.
#[derive(Default)]
struct SubscriptionRoot<'a> {
    keys: HashSet<&'a str>,
    fragments: HashSet<&'a str>,
    has_introspection: bool,
    has_condition: bool,
}
