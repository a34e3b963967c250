//! The steps that most tests begin with.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::support::services::Stack;

/// Somebody who is registered and logged in.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: i64,
    pub(crate) password: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Member {
    /// Where this user is found.
    pub(crate) fn path(&self) -> String {
        format!("/user/{}/", self.id)
    }
}

/// A password that is neither short nor common.
pub(crate) fn password_of(name: &str) -> String {
    format!("7 quiet herons of {name}")
}

/// An email of its own for each name; an email takes fewer characters than a name.
pub(crate) fn email_of(name: &str) -> String {
    let local = name.chars().map(|letter| match letter {
        _ if letter.is_ascii_alphanumeric() || letter == '-' => letter.to_string(),
        _ => format!(".{:x}", u32::from(letter)),
    });
    format!("{}@example.org", local.collect::<String>())
}

/// What registers a user.
pub(crate) fn registration(name: &str) -> Value {
    json!({ "username": name, "password": password_of(name), "email": email_of(name) })
}

impl Stack {
    /// Registers a user, and gives what was answered.
    pub(crate) async fn register(&self, name: &str) -> Value {
        let answer = self.users.post("/user/registry/", registration(name)).await;
        answer.expect(201).json()
    }

    /// Logs a user in, and gives what was answered.
    pub(crate) async fn log_in(&self, name: &str) -> Value {
        let body = json!({ "username": name, "password": password_of(name) });
        let answer = self.users.post("/user/auth/", body).await;
        answer.expect(200).json()
    }

    /// Registers a user and logs in.
    pub(crate) async fn member(&self, name: &str) -> Member {
        let user = self.register(name).await;
        let session = self.log_in(name).await;
        Member {
            id: user["id"].as_i64().unwrap(),
            password: password_of(name),
            access: text(&session, "access_token"),
            refresh: text(&session, "refresh_token"),
        }
    }

    /// Makes an offer of a member.
    pub(crate) async fn offer(&self, member: &Member, title: &str) -> Value {
        let body = json!({ "user_id": member.id, "title": title, "text": "As good as new." });
        let offers = self.offers.bearer(&member.access);
        offers.post("/offer/create/", body).await.expect(201).json()
    }
}

/// A field of an object that has to be a text.
#[track_caller]
pub(crate) fn text(object: &Value, name: &str) -> String {
    match object[name].as_str() {
        Some(text) => text.to_owned(),
        None => panic!("{name} is no text: {object}"),
    }
}

/// The names of the fields of an object, sorted.
#[track_caller]
pub(crate) fn fields(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// One field of each object of an array.
#[track_caller]
pub(crate) fn each(array: &Value, name: &str) -> Vec<Value> {
    let objects = array.as_array().unwrap_or_else(|| panic!("no array: {array}"));
    objects.iter().map(|object| object[name].clone()).collect()
}

/// A time of RFC 3339 in UTC, however that is written.
#[track_caller]
pub(crate) fn time(text: &Value) -> DateTime<Utc> {
    let time = DateTime::parse_from_rfc3339(text.as_str().unwrap()).unwrap();
    assert_eq!(time.offset().local_minus_utc(), 0, "{text}");
    time.to_utc()
}

/// Fails unless this is a time of the last minutes.
#[track_caller]
pub(crate) fn assert_recent(text: &Value) {
    let age = Utc::now().signed_duration_since(time(text));
    assert!((-1..300).contains(&age.num_seconds()), "{text}");
}
