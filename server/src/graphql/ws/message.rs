//! The messages of the protocol.

use axum::{
    extract::ws::{CloseFrame, Message},
    http::{HeaderMap, HeaderValue, header},
};
use schema::{Error, ErrorCode, Result};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::super::{answer::Answer, params::Params};
use crate::auth;

/// The most bytes of an id: it is kept as long as its operation runs.
const ID: usize = 256;

/// What a client says.
pub(super) enum Incoming {
    Init(Option<Map<String, Value>>),
    Ping(Option<Map<String, Value>>),
    Pong,
    Subscribe(String, Params),
    Complete(String),
}

/// Why a socket is closed: a code of the protocol with its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Close(pub(super) u16, pub(super) String);

impl Close {
    /// A service that ends, so that the client comes again.
    pub(super) fn going_away() -> Self {
        Self(1001, "Going away".to_owned())
    }

    pub(super) fn too_big() -> Self {
        Self(1009, "Message larger than 256 KiB".to_owned())
    }

    pub(super) fn invalid(why: &str) -> Self {
        Self(4400, why.to_owned())
    }

    pub(super) fn unauthorized() -> Self {
        Self(4401, "Unauthorized".to_owned())
    }

    /// A token that is not good, or not any more.
    pub(super) fn forbidden() -> Self {
        Self(4403, "Forbidden".to_owned())
    }

    pub(super) fn protocol() -> Self {
        Self(4406, "Subprotocol not acceptable".to_owned())
    }

    pub(super) fn init_timeout() -> Self {
        Self(4408, "Connection initialisation timeout".to_owned())
    }

    pub(super) fn exists(id: &str) -> Self {
        // The reason of a close frame has at most 123 bytes (RFC 6455, section 5.5).
        let end = id.char_indices().map(|(at, _)| at).find(|at| *at > 80).unwrap_or(id.len());
        Self(4409, format!("Subscriber for {} already exists", &id[..end]))
    }

    pub(super) fn second_init() -> Self {
        Self(4429, "Too many initialisation requests".to_owned())
    }

    /// How a token that was refused ends a connection.
    pub(super) fn refused(error: &Error) -> Self {
        match error.code {
            ErrorCode::InvalidToken | ErrorCode::Unauthenticated | ErrorCode::Forbidden => {
                Self::forbidden()
            }
            _ => Self(1013, "Try again later".to_owned()),
        }
    }

    pub(super) fn into_message(self) -> Message {
        Message::Close(Some(CloseFrame { code: self.0, reason: self.1.into() }))
    }
}

impl Incoming {
    /// Reads a message.
    pub(super) fn read(text: &str) -> Result<Self, Close> {
        let Ok(Value::Object(mut message)) = serde_json::from_str(text) else {
            return Err(Close::invalid("Message must be a JSON object"));
        };
        let kind = message.remove("type");
        match kind.as_ref().and_then(Value::as_str) {
            Some("connection_init") => payload(&mut message).map(Self::Init),
            Some("ping") => payload(&mut message).map(Self::Ping),
            Some("pong") => payload(&mut message).map(|_| Self::Pong),
            Some("complete") => id(&mut message).map(Self::Complete),
            Some("subscribe") => {
                let id = id(&mut message)?;
                Ok(Self::Subscribe(id, params(&mut message)?))
            }
            _ => Err(Close::invalid("Message of an unknown type")),
        }
    }
}

fn payload(message: &mut Map<String, Value>) -> Result<Option<Map<String, Value>>, Close> {
    match message.remove("payload") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(payload)) => Ok(Some(payload)),
        Some(_) => Err(Close::invalid("payload must be an object")),
    }
}

fn id(message: &mut Map<String, Value>) -> Result<String, Close> {
    match message.remove("id") {
        Some(Value::String(id)) if !id.is_empty() && id.len() <= ID => Ok(id),
        _ => Err(Close::invalid("id must be a string of 1 to 256 bytes")),
    }
}

/// The parameters of an operation, by the same rules as those in a body.
fn params(message: &mut Map<String, Value>) -> Result<Params, Close> {
    let payload = payload(message)?.unwrap_or_default();
    let body = serde_json::to_vec(&payload).map_err(|_| Close::invalid("payload is not JSON"))?;
    let params = Params::from_json(&body).map_err(|error| Close::invalid(&error.detail))?;
    if params.query.is_none() {
        return Err(Close::invalid("query must be a string"));
    }
    Ok(params)
}

/// The token in the payload of `connection_init`, under `Authorization` as in a header.
pub(super) fn token(payload: &Map<String, Value>) -> Result<Option<String>> {
    let mut fields = payload.iter();
    let Some((_, value)) = fields.find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
    else {
        return Ok(None);
    };
    let value = HeaderValue::from_str(value.as_str().unwrap_or_default())
        .unwrap_or(HeaderValue::from_static(""));
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
    auth::bearer_token(&headers).map(|token| token.map(str::to_owned))
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Outgoing<'a, T> {
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

fn text<T: Serialize>(message: &Outgoing<'_, T>) -> Result<Message, Close> {
    serde_json::to_string(message).map(Message::text).map_err(untold)
}

fn untold(error: serde_json::Error) -> Close {
    let _ = Error::internal(error);
    Close(4500, "Internal server error".to_owned())
}

pub(super) fn ack() -> Result<Message, Close> {
    text::<()>(&Outgoing::ConnectionAck)
}

pub(super) fn pong(payload: Option<Map<String, Value>>) -> Result<Message, Close> {
    text::<()>(&Outgoing::Pong { payload })
}

pub(super) fn complete(id: &str) -> Result<Message, Close> {
    text::<()>(&Outgoing::Complete { id })
}

/// `next`, or `error` for what was not run.
pub(super) fn answer(id: &str, answer: &Answer) -> Result<Message, Close> {
    match answer {
        Answer::Refused(refusal) => text(&Outgoing::Error { id, payload: &refusal.errors }),
        Answer::Executed(_) => {
            let json = answer.to_json().map_err(untold)?;
            let payload: &RawValue = serde_json::from_slice(&json).map_err(untold)?;
            text(&Outgoing::Next { id, payload })
        }
    }
}
