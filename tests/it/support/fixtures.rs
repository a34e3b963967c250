//! Test data, and access to fields of JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

/// A user who is registered and logged in.
#[derive(Clone, Debug)]
pub(crate) struct TestUser {
    pub(crate) id: i64,
    pub(crate) password: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

impl TestUser {
    /// Returns the path of this user by id.
    pub(crate) fn path(&self) -> String {
        format!("/user/{}/", self.id)
    }
}

/// Returns a password that is neither short nor common.
pub(crate) fn password_of(name: &str) -> String {
    format!("7 quiet herons of {name}")
}

/// Returns a unique email for each name. Characters that an email can't have are escaped.
pub(crate) fn email_of(name: &str) -> String {
    let local = name.chars().map(|letter| match letter {
        _ if letter.is_ascii_alphanumeric() || letter == '-' => letter.to_string(),
        _ => format!(".{:x}", u32::from(letter)),
    });
    format!("{}@example.org", local.collect::<String>())
}

/// Returns the body that registers a user.
pub(crate) fn registration(name: &str) -> Value {
    json!({ "username": name, "password": password_of(name), "email": email_of(name) })
}

/// Returns the body that registers a user, with one field changed.
pub(crate) fn registration_with(name: &str, field: &str, value: impl Serialize) -> Value {
    let mut body = registration(name);
    body[field] = json!(value);
    body
}

/// Returns a string field of an object. Panics if it is not a string.
#[track_caller]
pub(crate) fn string_field(object: &Value, name: &str) -> String {
    match object[name].as_str() {
        Some(text) => text.to_owned(),
        None => panic!("{name} is not a string: {object}"),
    }
}

/// The field names of an offer in REST, in alphabetical order.
pub(crate) const OFFER_KEYS: [&str; 8] =
    ["created_at", "id", "price", "status", "text", "title", "updated_at", "user_id"];

/// Returns the field names of an object in alphabetical order.
#[track_caller]
pub(crate) fn sorted_keys(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// Returns one field of each object of an array.
#[track_caller]
pub(crate) fn pluck(array: &Value, name: &str) -> Vec<Value> {
    let objects = array.as_array().unwrap_or_else(|| panic!("not an array: {array}"));
    objects.iter().map(|object| object[name].clone()).collect()
}

/// Parses a timestamp (RFC 3339), and asserts that it is in UTC.
#[track_caller]
pub(crate) fn parse_timestamp(text: &Value) -> DateTime<Utc> {
    let time = DateTime::parse_from_rfc3339(text.as_str().unwrap()).unwrap();
    assert_eq!(time.offset().local_minus_utc(), 0, "{text}");
    time.to_utc()
}

/// Asserts that a timestamp is less than five minutes old.
#[track_caller]
pub(crate) fn assert_recent(text: &Value) {
    let age = Utc::now().signed_duration_since(parse_timestamp(text));
    assert!((-1..300).contains(&age.num_seconds()), "{text}");
}
