//! Directives (section 5.7).

use std::collections::HashSet;

use async_graphql::{
    Positioned,
    parser::types::{Directive, DirectiveLocation},
};

use super::DocumentValidator;

impl<'a> DocumentValidator<'a> {
    pub(super) fn check_directives(
        &mut self,
        directives: &'a [Positioned<Directive>],
        location: DirectiveLocation,
    ) {
        let mut seen = HashSet::new();
        for Positioned { pos, node: directive } in directives {
            let name = directive.name.node.as_str();
            let definition = self.types.directive(name);
            match definition {
                None => {
                    let message = format!("Unknown directive \"@{name}\".");
                    self.report_unknown(&message, name, self.types.directive_names(), *pos);
                }
                Some(definition) => {
                    if !definition.locations.iter().any(|one| one.node == location) {
                        self.report(format!("The directive \"@{name}\" must not be here."), *pos);
                    }
                    if !seen.insert(name) && !definition.is_repeatable {
                        self.report(format!("The directive \"@{name}\" is given twice."), *pos);
                    }
                }
            }
            let arguments = definition.map(|definition| &definition.arguments[..]);
            self.check_arguments(
                &directive.arguments,
                arguments,
                &format!("directive \"@{name}\""),
                *pos,
            );
        }
    }
}
