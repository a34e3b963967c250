//! Validation of input, which reports every bad field at once.

use std::borrow::Cow;

use async_graphql::MaybeUndefined;
use sea_orm::{ActiveValue, Value as ColumnValue};

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

    /// Validates a field of an update that may be omitted, but not null. Returns the change of its
    /// column. `validate` returns the value of the column, or records errors and returns `None`.
    pub fn check_change<T, C: Into<ColumnValue>>(
        &mut self,
        pointer: &str,
        field: MaybeUndefined<T>,
        validate: impl FnOnce(&mut Self, &str, T) -> Option<C>,
    ) -> ActiveValue<C> {
        if field.is_null() {
            self.push(pointer, "must not be null");
        }
        let value = field.take().and_then(|value| validate(self, pointer, value));
        value.map_or(ActiveValue::NotSet, ActiveValue::Set)
    }

    /// Validates a field of an update that null removes, as [`Self::check_change`] does.
    /// [`nullable_column`] returns the change of each of its columns.
    pub fn check_nullable_change<T, V>(
        &mut self,
        pointer: &str,
        field: MaybeUndefined<T>,
        validate: impl FnOnce(&mut Self, &str, T) -> Option<V>,
    ) -> MaybeUndefined<V> {
        match field {
            MaybeUndefined::Undefined => MaybeUndefined::Undefined,
            MaybeUndefined::Null => MaybeUndefined::Null,
            MaybeUndefined::Value(value) => validate(self, pointer, value)
                .map_or(MaybeUndefined::Undefined, MaybeUndefined::Value),
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

/// Returns the validation of a text by its rule.
pub fn text(rule: Validator) -> impl FnOnce(&mut FieldErrors, &str, String) -> Option<String> {
    move |errors, pointer, text| {
        errors.check(pointer, &text, rule);
        Some(text)
    }
}

/// Returns the change of a column that may be null: an omitted field leaves it as it is.
pub fn nullable_column<V, C>(
    field: MaybeUndefined<V>,
    column: impl FnOnce(V) -> C,
) -> ActiveValue<Option<C>>
where
    Option<C>: Into<ColumnValue>,
{
    match field {
        MaybeUndefined::Undefined => ActiveValue::NotSet,
        MaybeUndefined::Null => ActiveValue::Set(None),
        MaybeUndefined::Value(value) => ActiveValue::Set(Some(column(value))),
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
