//! Validation of input, which reports every bad field at once.

use std::borrow::Cow;

use async_graphql::MaybeUndefined;

use crate::{Error, ErrorCode, FieldError, Result, id};

/// The rule of a field. Returns `None` if the text is valid, else the requirement.
pub type Validator = fn(&str) -> Option<&'static str>;

/// The requirement of an id.
const MUST_BE_AN_ID: &str = "must be a positive integer";

/// The bad fields of an input.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Checks a field against its rule.
    pub fn check(&mut self, pointer: &str, text: &str, rule: Validator) {
        if let Some(detail) = rule(text) {
            self.push(pointer, detail);
        }
    }

    /// Parses the id of a field. Returns zero, which no row has, if it is none.
    pub fn id(&mut self, pointer: &str, id: &str) -> i64 {
        id::parse(id).unwrap_or_else(|| {
            self.push(pointer, MUST_BE_AN_ID);
            0
        })
    }

    /// Checks a field that may be omitted but not null. Returns its value if there is one.
    pub fn check_optional(
        &mut self,
        pointer: &str,
        value: MaybeUndefined<String>,
        rule: Validator,
    ) -> Option<String> {
        match value {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => {
                self.push(pointer, "must not be null");
                None
            }
            MaybeUndefined::Value(text) => {
                self.check(pointer, &text, rule);
                Some(text)
            }
        }
    }

    /// Adds a bad field.
    pub fn push(&mut self, pointer: &str, detail: impl Into<Cow<'static, str>>) {
        self.0.push(FieldError { pointer: pointer.to_owned(), detail: detail.into() });
    }

    /// Returns `Ok` if every field is valid.
    ///
    /// # Errors
    /// `INVALID_INPUT` with each bad field.
    pub fn into_result(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = self.0.iter().map(FieldError::to_sentence).collect();
        Err(Error::new(ErrorCode::InvalidInput, list.join(" ")).with_field_errors(self.0))
    }
}

/// Parses an argument that must be the id of a user.
///
/// # Errors
/// `INVALID_INPUT` with the argument.
pub fn user_id(pointer: &str, id: &str) -> Result<i64> {
    id::parse(id)
        .ok_or_else(|| Error::invalid_field(ErrorCode::InvalidInput, pointer, MUST_BE_AN_ID))
}
