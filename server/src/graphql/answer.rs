//! What a request comes to. Every error carries `extensions.code`.

use async_graphql::{ErrorExtensionValues, Pos, Response, ServerError, Value};
use schema::{Error, ErrorCode, JsonWriter};

/// The most errors of a request that was not run.
const ERRORS: usize = 100;
/// The most characters of a message that repeats what the client sent.
const MESSAGE: usize = 1_000;

/// What a request comes to.
#[derive(Debug)]
pub(super) enum Answer {
    /// It was not run: there is no `data`.
    Refused(Refusal),
    /// It was run, for better or worse.
    Executed(Response),
}

/// Why a request was not run.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The code of the first error.
    pub(super) code: ErrorCode,
    /// At least one.
    pub(super) errors: Vec<ServerError>,
    /// After how many seconds to try again.
    pub(super) retry_after: Option<u32>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (code, retry_after) = (error.code, error.retry_after);
        let mut error = async_graphql::Error::from(error).into_server_error(Pos::default());
        error.locations.clear();
        Self { code, errors: vec![error], retry_after }
    }
}

impl Refusal {
    /// Several errors, of this code where they have none.
    pub(super) fn many(code: ErrorCode, mut errors: Vec<ServerError>) -> Self {
        errors.truncate(ERRORS);
        for error in errors.iter_mut().filter(|error| !coded(error)) {
            shorten(&mut error.message);
            label(error, code);
        }
        let ours = errors.iter().find_map(ServerError::source::<Error>);
        let (code, retry_after) =
            ours.map_or((code, None), |error| (error.code, error.retry_after));
        Self { code, errors, retry_after }
    }

    /// A document that breaks a rule of validation.
    pub(super) fn invalid(message: String, pos: Pos) -> Self {
        Self::many(ErrorCode::GraphqlValidationFailed, vec![ServerError::new(message, Some(pos))])
    }
}

impl Answer {
    /// What the executor answered. Its own errors get a code, and lose what is only ours to know.
    pub(super) fn new(mut response: Response, introspection: bool) -> Self {
        // Only what comes before execution has no path.
        let refused = response.data == Value::Null
            && !response.errors.is_empty()
            && response.errors.iter().all(|error| error.path.is_empty());
        if refused {
            return Self::Refused(refuse(response.errors, introspection));
        }
        response.errors.iter_mut().for_each(settle);
        Self::Executed(response)
    }

    /// What a panic comes to.
    pub(super) fn panicked() -> Self {
        Self::Refused(Error::internal("a resolver panicked").into())
    }

    /// The body, to the letter of the GraphQL specification: `errors` only where there are any,
    /// `data` only where the request was run.
    ///
    /// # Errors
    /// What cannot be told as JSON.
    pub(super) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = JsonWriter::default();
        json.object(|json| match self {
            Self::Refused(refusal) => tell(json, &refusal.errors),
            Self::Executed(response) => {
                if !response.errors.is_empty() {
                    tell(json, &response.errors)?;
                }
                json.key("data");
                json.value(&response.data);
                if !response.extensions.is_empty() {
                    json.key("extensions");
                    json.serialize(&response.extensions)?;
                }
                Ok(())
            }
        })?;
        Ok(json.into_bytes())
    }
}

fn tell(json: &mut JsonWriter<'_>, errors: &[ServerError]) -> serde_json::Result<()> {
    json.key("errors");
    json.serialize(&errors)
}

/// How the executor's limits begin their messages: they have no other mark.
const LIMITS: [&str; 5] = [
    "Query is too complex.",
    "Query is nested too deep.",
    "The number of directives on the field ",
    "The amount of aliases of the query ",
    "The recursion depth of the query ",
];

fn refuse(mut errors: Vec<ServerError>, introspection: bool) -> Refusal {
    if !introspection {
        for error in &mut errors {
            // A suggestion tells names of the schema.
            let known = error.message.find(" Did you mean ").unwrap_or(error.message.len());
            error.message.truncate(known);
        }
    }
    let limit = |error: &ServerError| LIMITS.iter().any(|text| error.message.starts_with(text));
    let code = if errors.iter().any(limit) {
        ErrorCode::QueryTooComplex
    } else {
        ErrorCode::GraphqlValidationFailed
    };
    Refusal::many(code, errors)
}

/// Gives the error of a field a code. One without is either bad input, which the executor words in
/// a few known ways, or was not meant for a client.
fn settle(error: &mut ServerError) {
    if coded(error) {
        return;
    }
    let message = error.message.as_str();
    let begins = |texts: &[&str]| texts.iter().any(|text| message.starts_with(text));
    if message == "Entity not found." {
        label(error, ErrorCode::NotFound);
    } else if begins(&["Expected input type ", "Failed to parse ", "Variable ", "\"__typename\" "])
    {
        shorten(&mut error.message);
        label(error, ErrorCode::InvalidInput);
    } else {
        let internal = Error::internal(message);
        error.message = internal.detail.into_owned();
        error.extensions = None;
        label(error, internal.code);
    }
}

fn coded(error: &ServerError) -> bool {
    error.extensions.as_ref().is_some_and(|all| matches!(all.get("code"), Some(Value::String(_))))
}

fn label(error: &mut ServerError, code: ErrorCode) {
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    extensions.set("code", code.as_str());
}

fn shorten(message: &mut String) {
    if let Some((end, _)) = message.char_indices().nth(MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
}
