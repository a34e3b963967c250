//! Defect: the parser takes every definition of a directive for `repeatable`.
//!
//! Function: `parse_directive_definition` in `src/parse/service.rs` of async-graphql-parser, whose rule
//! `repeatable` also matches nothing. No upstream issue is known.

use async_graphql::parser::types::DirectiveDefinition;

/// Corrects a definition by the text that it was read from: `repeatable` stands before `on`, which
/// stands before the first location.
pub(crate) fn correct_repeatable(definition: &mut DirectiveDefinition, sdl: &str) {
    let before = definition.locations.first().and_then(|location| {
        let line = sdl.lines().nth(location.pos.line - 1)?;
        Some(line.chars().take(location.pos.column - 1).collect::<String>())
    });
    let words: Vec<_> =
        before.iter().flat_map(|text| text.split_whitespace().rev().take(2)).collect();
    definition.is_repeatable = words == ["on", "repeatable"];
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::{parse_schema, types::TypeSystemDefinition};

    use super::*;

    fn definitions(sdl: &str) -> Vec<DirectiveDefinition> {
        let definitions = parse_schema(sdl).unwrap().definitions.into_iter();
        let directive = |definition| match definition {
            TypeSystemDefinition::Directive(directive) => Some(directive.node),
            _ => None,
        };
        definitions.filter_map(directive).collect()
    }

    const SDL: &str = "directive @once(text: String = \"ä repeatable on\") on FIELD | QUERY\n\
        directive @often repeatable on FIELD\n\
        type Query { a: Int }";

    #[test]
    fn upstream_takes_every_directive_for_repeatable() {
        let repeatable = definitions(SDL).iter().all(|directive| directive.is_repeatable);
        assert!(repeatable, "fixed: delete this work-around");
    }

    #[test]
    fn definitions_are_corrected() {
        let mut all = definitions(SDL);
        for definition in &mut all {
            correct_repeatable(definition, SDL);
        }
        assert_eq!(all.iter().map(|one| one.is_repeatable).collect::<Vec<_>>(), [false, true]);
    }
}
