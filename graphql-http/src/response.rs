//! The outcome of a request, and its JSON. Every error carries `extensions.code`.

use async_graphql::{Response, ServerError, Value};
use direct_json::{AnswerTooLarge, JsonWriter, MAX_ANSWER_BYTES};

use crate::{
    compat::messages,
    error::{EndpointErrorCode, ErrorPolicy, RequestError, assign_code},
};

/// The outcome of a request.
#[derive(Debug)]
pub(crate) enum RequestOutcome {
    /// The request was not executed: the response has no `data`.
    RequestError(RequestError),
    /// The request was executed; the response may hold field errors.
    Executed(Response),
}

impl RequestOutcome {
    /// Reads the response of the executor. Its errors get a code; internal messages are masked.
    pub(crate) fn new(mut response: Response, policy: &dyn ErrorPolicy) -> Self {
        // Only errors before execution have no path.
        let rejected = response.data == Value::Null
            && !response.errors.is_empty()
            && response.errors.iter().all(|error| error.path.is_empty());
        if rejected {
            return Self::RequestError(validation_error(response.errors).with_policy(policy));
        }
        response.errors.iter_mut().for_each(|error| assign_code(error, policy));
        Self::Executed(response)
    }

    /// Writes the body as the GraphQL specification has it: `errors` only if there are any, `data`
    /// only if the request was executed. Returns the outcome along with it: `QUERY_TOO_COMPLEX` in
    /// place of an answer that is too large.
    ///
    /// # Errors
    /// An error or an extension cannot be serialised.
    pub(crate) fn into_json(self) -> serde_json::Result<(Self, Vec<u8>)> {
        let mut json = JsonWriter::with_limit(MAX_ANSWER_BYTES);
        self.write(&mut json)?;
        if json.is_full() {
            let outcome = Self::RequestError(AnswerTooLarge.into());
            let mut json = JsonWriter::default();
            outcome.write(&mut json)?;
            return Ok((outcome, json.into_bytes()));
        }
        Ok((self, json.into_bytes()))
    }

    fn write(&self, json: &mut JsonWriter<'_>) -> serde_json::Result<()> {
        json.object(|json| match self {
            Self::RequestError(error) => write_errors(json, &error.errors),
            Self::Executed(response) => {
                if !response.errors.is_empty() {
                    write_errors(json, &response.errors)?;
                }
                json.key("data");
                json.value(&response.data);
                if !response.extensions.is_empty() {
                    json.key("extensions");
                    json.serialize(&response.extensions)?;
                }
                Ok(())
            }
        })
    }
}

fn write_errors(json: &mut JsonWriter, errors: &[ServerError]) -> serde_json::Result<()> {
    json.key("errors");
    json.serialize(&errors)
}

fn validation_error(errors: Vec<ServerError>) -> RequestError {
    let code = if errors.iter().any(|error| messages::is_exceeded_limit(&error.message)) {
        EndpointErrorCode::QueryTooComplex
    } else {
        EndpointErrorCode::GraphqlValidationFailed
    };
    RequestError::from_errors(code, errors)
}
