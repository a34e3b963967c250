//! Collects every bad field of an input, so that one answer names them all.

use std::borrow::Cow;

use crate::{Error, ErrorCode, FieldError, Result, id};

/// The rule of a field: nothing where the text keeps it, else what it must be.
pub type Validator = fn(&str) -> Option<&'static str>;

/// The bad fields found so far.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Checks one field by its rule.
    pub fn check(&mut self, pointer: &str, text: &str, rule: Validator) {
        if let Some(detail) = rule(text) {
            self.push(pointer, detail);
        }
    }

    /// Names a bad field.
    pub fn push(&mut self, pointer: &str, detail: impl Into<Cow<'static, str>>) {
        self.0.push(FieldError { pointer: pointer.to_owned(), detail: detail.into() });
    }

    /// Nothing where every field was good.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names each bad field.
    pub fn into_result(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = self.0.iter().map(FieldError::sentence).collect();
        Err(Error::new(ErrorCode::InvalidInput, list.join(" ")).with_fields(self.0))
    }
}

/// An argument that must be the id of a user.
///
/// # Errors
/// `INVALID_INPUT` that names the argument.
pub fn user_id(pointer: &str, id: &str) -> Result<i64> {
    id::parse(id).ok_or_else(|| {
        Error::invalid_field(ErrorCode::InvalidInput, pointer, "must be a positive integer")
    })
}
