//! Collects every bad field of an input, so that one answer names them all.

use std::borrow::Cow;

use crate::{Code, Error, FieldError, Result};

/// The rule of a field: nothing where the text keeps it, else what it must be.
pub type Rule = fn(&str) -> Option<&'static str>;

/// The bad fields found so far.
#[derive(Debug, Default)]
pub struct Fields(Vec<FieldError>);

impl Fields {
    /// Checks one field by its rule.
    pub fn check(&mut self, pointer: &str, text: &str, rule: Rule) {
        if let Some(detail) = rule(text) {
            self.wrong(pointer, detail);
        }
    }

    /// Names a bad field.
    pub fn wrong(&mut self, pointer: &str, detail: impl Into<Cow<'static, str>>) {
        self.0.push(FieldError { pointer: pointer.to_owned(), detail: detail.into() });
    }

    /// Nothing where every field was good.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names each bad field.
    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = self.0.iter().map(FieldError::sentence).collect();
        Err(Error::new(Code::InvalidInput, list.join(" ")).with_fields(self.0))
    }
}
