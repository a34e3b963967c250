//! The messages and close codes of the protocol.

use std::{borrow::Cow, collections::HashMap};

use axum::extract::ws::{CloseFrame, Message};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    Limits,
    error::{ErrorPolicy, RequestError},
    params::{self, RequestParams},
    response::RequestOutcome,
};

/// The most bytes of an id, which is stored while its operation runs.
const MAX_ID_BYTES: usize = 256;

/// A message of a client.
pub(super) enum ClientMessage {
    Init(Option<Map<String, Value>>),
    Ping(Option<Map<String, Value>>),
    Pong,
    Subscribe(String, RequestParams),
    Complete(String),
}

/// The code and reason of a close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Close(pub(super) u16, pub(super) String);

impl Close {
    /// The server shuts down; clients reconnect.
    pub(super) fn going_away() -> Self {
        Self(1001, "Going away".to_owned())
    }

    /// A client without credentials has run no operation for long.
    pub(super) fn idle() -> Self {
        Self(1001, "Idle".to_owned())
    }

    pub(super) fn too_big(max_bytes: usize) -> Self {
        Self(1009, format!("Message larger than {} KiB", max_bytes / 1024))
    }

    pub(super) fn invalid_message(reason: &str) -> Self {
        Self(4400, reason.to_owned())
    }

    pub(super) fn unauthorized() -> Self {
        Self(4401, "Unauthorized".to_owned())
    }

    /// The credentials are invalid or expired.
    pub(super) fn forbidden() -> Self {
        Self(4403, "Forbidden".to_owned())
    }

    pub(super) fn unsupported_protocol() -> Self {
        Self(4406, "Subprotocol not acceptable".to_owned())
    }

    pub(super) fn init_timeout() -> Self {
        Self(4408, "Connection initialisation timeout".to_owned())
    }

    pub(super) fn duplicate_id(id: &str) -> Self {
        // The reason of a close frame has at most 123 bytes (RFC 6455, section 5.5).
        let end = id.char_indices().map(|(at, _)| at).find(|at| *at > 80).unwrap_or(id.len());
        Self(4409, format!("Subscriber for {} already exists", &id[..end]))
    }

    pub(super) fn second_init() -> Self {
        Self(4429, "Too many initialisation requests".to_owned())
    }

    /// Returns the close after a failed authentication.
    pub(super) fn authentication_failed(error: &RequestError) -> Self {
        if error.rejects_credentials() {
            Self::forbidden()
        } else {
            Self(1013, "Try again later".to_owned())
        }
    }

    pub(super) fn into_message(self) -> Message {
        Message::Close(Some(CloseFrame { code: self.0, reason: self.1.into() }))
    }
}

impl ClientMessage {
    /// Parses a message.
    ///
    /// # Errors
    /// 4400 if it is malformed or of an unknown type.
    pub(super) fn from_text(text: &str, limits: &Limits) -> Result<Self, Close> {
        let Ok(message) = serde_json::from_str::<Members<'_>>(text) else {
            return Err(Close::invalid_message("Message must be a JSON object"));
        };
        match string(&message, "type").as_deref() {
            Some("connection_init") => payload(&message, limits).map(Self::Init),
            Some("ping") => payload(&message, limits).map(Self::Ping),
            Some("pong") => payload(&message, limits).map(|_| Self::Pong),
            Some("complete") => id(&message).map(Self::Complete),
            Some("subscribe") => {
                let id = id(&message)?;
                Ok(Self::Subscribe(id, params(&message, limits)?))
            }
            _ => Err(Close::invalid_message("Message of an unknown type")),
        }
    }
}

/// The members of a message, which are read on their own.
type Members<'a> = HashMap<Cow<'a, str>, &'a RawValue>;

fn string(message: &Members<'_>, name: &str) -> Option<String> {
    serde_json::from_str(message.get(name)?.get()).ok()
}

/// Reads a payload that is only looked into.
fn payload(message: &Members<'_>, limits: &Limits) -> Result<Option<Map<String, Value>>, Close> {
    let payload = message.get("payload").map_or("null", |payload| payload.get());
    if params::max_number_of_values(payload) > limits.max_values {
        return Err(Close::invalid_message("payload has too many values"));
    }
    let payload = serde_json::from_str(payload);
    payload.map_err(|_| Close::invalid_message("payload must be an object"))
}

fn id(message: &Members<'_>) -> Result<String, Close> {
    match string(message, "id") {
        Some(id) if !id.is_empty() && id.len() <= MAX_ID_BYTES => Ok(id),
        _ => Err(Close::invalid_message("id must be a string of 1 to 256 bytes")),
    }
}

/// Reads the parameters of an operation, by the rules of a body.
fn params(message: &Members<'_>, limits: &Limits) -> Result<RequestParams, Close> {
    let payload = message.get("payload").map_or("{}", |payload| payload.get());
    let payload = if payload == "null" { "{}" } else { payload };
    if !payload.starts_with('{') {
        return Err(Close::invalid_message("payload must be an object"));
    }
    let params = RequestParams::from_json(payload.as_bytes(), limits.max_values)
        .map_err(|error| Close::invalid_message(&error.errors[0].message))?;
    if params.query.is_none() {
        return Err(Close::invalid_message("query must be a string"));
    }
    Ok(params)
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ServerMessage<'a, T> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Map<String, Value>>,
    },
    Next {
        id: &'a str,
        payload: T,
    },
    Error {
        id: &'a str,
        payload: T,
    },
    Complete {
        id: &'a str,
    },
}

fn text<T: Serialize>(message: &ServerMessage<'_, T>) -> Result<Message, Close> {
    // Strings and values that were JSON before cannot fail to be serialised.
    serde_json::to_string(message).map(Message::text).map_err(|_| internal_error())
}

fn internal_error() -> Close {
    Close(4500, "Internal server error".to_owned())
}

pub(super) fn ack() -> Result<Message, Close> {
    text::<()>(&ServerMessage::ConnectionAck)
}

pub(super) fn pong(payload: Option<Map<String, Value>>) -> Result<Message, Close> {
    text::<()>(&ServerMessage::Pong { payload })
}

pub(super) fn complete(id: &str) -> Result<Message, Close> {
    text::<()>(&ServerMessage::Complete { id })
}

/// Returns `next`, or `error` for a request that was not executed, and true if it is the last message
/// of its operation.
pub(super) fn result(
    id: &str,
    outcome: RequestOutcome,
    policy: &dyn ErrorPolicy,
) -> Result<(Message, bool), Close> {
    let serialization_failed = |error: serde_json::Error| {
        policy.mask(&error);
        internal_error()
    };
    let (outcome, json) = outcome.into_json().map_err(serialization_failed)?;
    match outcome {
        RequestOutcome::RequestError(error) => {
            Ok((text(&ServerMessage::Error { id, payload: &error.errors })?, true))
        }
        RequestOutcome::Executed(_) => {
            let payload: &RawValue = serde_json::from_slice(&json).map_err(serialization_failed)?;
            Ok((text(&ServerMessage::Next { id, payload })?, false))
        }
    }
}
