//! Fragments (section 5.5).

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Pos, Positioned,
    parser::types::{
        DirectiveLocation, FragmentSpread, InlineFragment, TypeCondition, TypeDefinition,
    },
};

use super::{DocumentValidator, Uses, types::is_composite};

impl<'a> DocumentValidator<'a> {
    pub(super) fn check_inline_fragment(
        &mut self,
        fragment: &'a Positioned<InlineFragment>,
        parent: Option<&'a TypeDefinition>,
    ) {
        let Positioned { pos, node: fragment } = fragment;
        self.check_directives(&fragment.directives, DirectiveLocation::InlineFragment);
        let ty = match &fragment.type_condition {
            None => parent,
            Some(condition) => {
                let ty = self.check_type_condition(condition);
                self.check_possible_spread(parent, ty, *pos);
                ty
            }
        };
        self.check_selection_set(&fragment.selection_set.node, ty);
    }

    pub(super) fn check_fragment_spread(
        &mut self,
        spread: &'a Positioned<FragmentSpread>,
        parent: Option<&'a TypeDefinition>,
    ) {
        let Positioned { pos, node: spread } = spread;
        self.check_directives(&spread.directives, DirectiveLocation::FragmentSpread);
        let name = &spread.fragment_name.node;
        let Some(fragment) = self.document.fragments.get(name) else {
            return self.report(format!("There is no fragment \"{name}\"."), *pos);
        };
        self.uses.fragments.push(name);
        let ty = self.types.get(&fragment.node.type_condition.node.on.node);
        self.check_possible_spread(parent, ty, *pos);
    }

    /// Returns the type of a fragment (5.5.1.2, "Fragment spread type existence", and 5.5.1.3,
    /// "Fragments on composite types").
    pub(super) fn check_type_condition(
        &mut self,
        condition: &'a Positioned<TypeCondition>,
    ) -> Option<&'a TypeDefinition> {
        let Positioned { pos, node: name } = &condition.node.on;
        let ty = self.types.get(name);
        match ty.map(is_composite) {
            None => self.report_unknown_type(name, *pos),
            Some(false) => {
                self.report(format!("A fragment cannot be on the type \"{name}\"."), *pos);
            }
            Some(true) => (),
        }
        ty.filter(|ty| is_composite(ty))
    }

    pub(super) fn report_unknown_type(&mut self, name: &str, pos: Pos) {
        let message = format!("Unknown type \"{name}\".");
        self.report_unknown(&message, name, self.types.names(), pos);
    }

    /// 5.5.2.3, "Fragment spread is possible".
    fn check_possible_spread(
        &mut self,
        parent: Option<&TypeDefinition>,
        ty: Option<&TypeDefinition>,
        pos: Pos,
    ) {
        if let (Some(parent), Some(ty)) = (parent, ty.filter(|ty| is_composite(ty)))
            && !self.types.types_overlap(parent, ty)
        {
            let (parent, ty) = (&parent.name.node, &ty.name.node);
            self.report(format!("A value of \"{parent}\" can never be of \"{ty}\"."), pos);
        }
    }

    /// 5.5.1.4, "Fragments must be used".
    pub(super) fn report_unused_fragments(&mut self, used: &HashSet<&str>) {
        for (name, fragment) in &self.document.fragments {
            if !used.contains(name.as_str()) {
                self.report(format!("The fragment \"{name}\" is not used."), fragment.pos);
            }
        }
    }
}

/// Returns the fragments that an operation spreads, also by way of others.
pub(super) fn reachable_fragments<'a>(
    operation: &Uses<'a>,
    fragments: &HashMap<&'a str, Uses<'a>>,
) -> HashSet<&'a str> {
    let mut reached = HashSet::new();
    let mut left = operation.fragments.clone();
    while let Some(name) = left.pop() {
        if reached.insert(name) {
            left.extend(&fragments[name].fragments);
        }
    }
    reached
}
