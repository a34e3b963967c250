//! The text of a document: its tokens and its grammar (GraphQL specification, section 2 and appendix
//! B, of October 2021 with the additions of September 2025).
//!
//! async-graphql's own parser drops input fields that are given twice, takes `queryA {b}`, `[00]` and
//! an empty list of variables, and rejects `[ Int ]`, `\u{1F4A3}`, surrogate pairs and enum values that
//! begin with `true`. This one builds the same tree.

mod lexer;
mod parser;

pub(crate) use parser::parse_document;
