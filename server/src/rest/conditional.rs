//! Conditional requests on one object (RFC 9110, section 13).
//!
//! The entity tag of an object is a hash of the JSON that a `GET` answers, so it is strong, and the
//! same on every instance. Not the crate `headers`: its debug builds panic at a space in a tag.

use std::{convert::Infallible, iter, str};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use graphql_http::byte_budget;
use schema::{Precondition, Result, precondition};
use sha2::{Digest, Sha256};

use crate::problem;

/// Bytes of the hash in a tag: enough that no two bodies are found that have the same.
const TAG_BYTES: usize = 16;
/// The codings that the server compresses with. Each has a tag of its own, with its name at the end:
/// an encoded body is another representation (RFC 9110, section 8.8.3.3).
const CODINGS: [&str; 2] = ["gzip", "br"];

/// The description of `If-Match` in OpenAPI.
pub const IF_MATCH: &str = "Entity tags, or `*`. Without a match, the answer is 412.";
/// The description of `If-None-Match` in OpenAPI.
pub const IF_NONE_MATCH: &str = "Entity tags, or `*`. With a match, the answer is 304.";
/// The description of a 304 in OpenAPI.
pub const NOT_MODIFIED: &str = "The object is as the client has it: its tag is in `If-None-Match`.";

/// The opaque part of a strong entity tag, without its quotes.
struct EntityTag(String);

impl EntityTag {
    fn of(body: &str) -> Self {
        let hash = Sha256::digest(body);
        Self(BASE64_STANDARD_NO_PAD.encode(&hash[..TAG_BYTES]))
    }

    /// Returns true if `opaque` is the tag of the object, in any coding.
    fn is(&self, opaque: &str) -> bool {
        let coding = opaque.strip_prefix(&self.0);
        coding.is_some_and(|coding| {
            coding.is_empty()
                || coding.strip_prefix('-').is_some_and(|name| CODINGS.contains(&name))
        })
    }
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug)]
enum TagList {
    Any,
    /// Tags, separated by commas.
    Tags(String),
}

impl TagList {
    fn from_headers(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let lines = headers.get_all(name).iter();
        let lines: Vec<_> =
            lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect();
        match &lines[..] {
            [] => None,
            [line] if line.trim() == "*" => Some(Self::Any),
            lines => Some(Self::Tags(lines.join(","))),
        }
    }

    /// Returns the opaque parts of the tags, each with true if it is weak. The list ends where it is
    /// malformed.
    fn tags(list: &str) -> impl Iterator<Item = (bool, &str)> {
        let mut rest = list;
        iter::from_fn(move || {
            rest = rest.trim_start_matches([',', ' ', '\t']);
            let (weak, tag) = match rest.strip_prefix("W/") {
                Some(tag) => (true, tag),
                None => (false, rest),
            };
            let (opaque, after) = tag.strip_prefix('"')?.split_once('"')?;
            rest = after;
            Some((weak, opaque))
        })
    }
}

/// The preconditions of a request.
#[derive(Debug)]
pub struct Preconditions {
    if_match: Option<TagList>,
    if_none_match: Option<TagList>,
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            if_match: TagList::from_headers(&parts.headers, &header::IF_MATCH),
            if_none_match: TagList::from_headers(&parts.headers, &header::IF_NONE_MATCH),
        })
    }
}

impl Preconditions {
    /// Returns false if `If-Match` names other tags. Weak tags match nothing there.
    fn match_passes(&self, tag: &EntityTag) -> bool {
        match &self.if_match {
            None | Some(TagList::Any) => true,
            Some(TagList::Tags(list)) => {
                TagList::tags(list).any(|(weak, opaque)| !weak && tag.is(opaque))
            }
        }
    }

    /// Returns the tag of the object as `If-None-Match` names it.
    fn known_tag<'a>(&'a self, tag: &'a EntityTag) -> Option<&'a str> {
        match self.if_none_match.as_ref()? {
            TagList::Any => Some(&tag.0),
            TagList::Tags(list) => {
                TagList::tags(list).map(|(_, opaque)| opaque).find(|opaque| tag.is(opaque))
            }
        }
    }

    /// Answers a `GET` of an object with its JSON and its tag, or with 304 if the client has it.
    ///
    /// # Errors
    /// `PRECONDITION_FAILED` if `If-Match` names other tags, `BUSY` if too many answers are not sent yet.
    pub fn respond_to_get(&self, json: String) -> Result<Response> {
        let tag = EntityTag::of(&json);
        if !self.match_passes(&tag) {
            return Err(precondition::failed());
        }
        Ok(match self.known_tag(&tag) {
            None => {
                let body = byte_budget::hold_answer(json.into_bytes());
                tagged(body.map_err(|_| problem::busy())?, &tag)
            }
            Some(known) => {
                let mut response = StatusCode::NOT_MODIFIED.into_response();
                insert_tag(&mut response, known);
                response
            }
        })
    }

    /// Returns the precondition of a change. `read` returns the JSON that a `GET` of the object answers
    /// now, with the state in it that the change compares again; `None` if there is no such object.
    ///
    /// # Errors
    /// The errors of `read`.
    pub async fn for_change<T>(
        &self,
        read: impl AsyncFnOnce() -> Result<Option<(String, T)>>,
    ) -> Result<Precondition<T>> {
        if let (None | Some(TagList::Any), None) = (&self.if_match, &self.if_none_match) {
            return Ok(Precondition::None);
        }
        // Without an object the change fails by itself, with an error that comes before 412.
        let Some((json, state)) = read().await? else { return Ok(Precondition::None) };
        let tag = EntityTag::of(&json);
        let passes = self.match_passes(&tag) && self.known_tag(&tag).is_none();
        Ok(if passes { Precondition::Unchanged(state) } else { Precondition::Failed })
    }
}

/// Returns the JSON of an object with its tag, for a change that answers what a `GET` would.
#[must_use]
pub fn tagged_response(json: String) -> Response {
    let tag = EntityTag::of(&json);
    tagged(json, &tag)
}

fn tagged(json: impl IntoResponse, tag: &EntityTag) -> Response {
    let mut response = ([(header::CONTENT_TYPE, "application/json")], json).into_response();
    insert_tag(&mut response, &tag.0);
    response
}

/// Adds the tag, and `Vary`, which a 304 must have as well (RFC 9110, section 15.4.5).
fn insert_tag(response: &mut Response, opaque: &str) {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{opaque}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    let vary = HeaderValue::from_name(header::ACCEPT_ENCODING);
    response.headers_mut().append(header::VARY, vary);
}

/// Gives a body that was compressed the tag of its coding.
pub(crate) fn tag_coding(headers: &mut HeaderMap) {
    let text = |name| str::from_utf8(headers.get(name)?.as_bytes()).ok();
    let (Some(tag), Some(coding)) = (text(header::ETAG), text(header::CONTENT_ENCODING)) else {
        return;
    };
    let coded = tag.strip_suffix('"').map(|tag| format!("{tag}-{coding}\""));
    if let Some(Ok(coded)) = coded.as_deref().map(HeaderValue::from_str) {
        headers.insert(header::ETAG, coded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preconditions(if_match: &[&'static str], if_none_match: &[&'static str]) -> Preconditions {
        let mut headers = HeaderMap::new();
        for (name, lines) in [(header::IF_MATCH, if_match), (header::IF_NONE_MATCH, if_none_match)]
        {
            for line in lines {
                headers.append(&name, HeaderValue::from_static(line));
            }
        }
        Preconditions {
            if_match: TagList::from_headers(&headers, &header::IF_MATCH),
            if_none_match: TagList::from_headers(&headers, &header::IF_NONE_MATCH),
        }
    }

    fn tag() -> EntityTag {
        EntityTag("a+b/c".to_owned())
    }

    #[test]
    fn if_match_compares_strongly() {
        for lines in [
            &["\"a+b/c\""][..],
            &["\"x\", \"a+b/c\""],
            &["W/\"a+b/c\" ,\"a,b\",, \"a+b/c-gzip\""],
            &["\"x\"", "\"a+b/c-br\""],
            &["*"],
            &[],
        ] {
            assert!(preconditions(lines, &[]).match_passes(&tag()), "{lines:?}");
        }
        for lines in [
            &["W/\"a+b/c\""][..],
            &["\"x\""],
            &["a+b/c"],
            &["\"a+b/c"],
            &["\"a+b/c-zip\""],
            &["\"a+b/cgzip\""],
            &["garbage, \"a+b/c\""],
            &["\"a b\""],
            &[""],
        ] {
            assert!(!preconditions(lines, &[]).match_passes(&tag()), "{lines:?}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for (lines, known) in [
            (&["\"a+b/c\""][..], Some("a+b/c")),
            (&["\"x\", W/\"a+b/c-gzip\""], Some("a+b/c-gzip")),
            (&["*"], Some("a+b/c")),
            (&["\"x\""], None),
            (&["garbage"], None),
            (&[], None),
        ] {
            assert_eq!(preconditions(&[], lines).known_tag(&tag()), known, "{lines:?}");
        }
    }

    #[test]
    fn other_bodies_have_other_tags() {
        assert_eq!(EntityTag::of("{}").0, EntityTag::of("{}").0);
        assert_ne!(EntityTag::of("{}").0, EntityTag::of("{ }").0);
    }
}
