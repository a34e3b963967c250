//! The REST routes. Each runs the document of its name and translates the answer.

mod sessions;
mod users;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use schema::{ErrorCode, Offer, Result, Security};
use server::{
    openapi::{self, BearerAuth, ErrorResponses},
    problem,
    rest::{RouteDocument, RouteSchema},
};
use utoipa::{
    OpenApi,
    openapi::{OpenApi as OpenApiDocument, RefOr, Schema as OpenApiSchema},
};

use crate::{
    graphql::{Schema, accounts::RegisterInput},
    passwords,
};

/// The table of routes. Paths are without their trailing slash, which the server removes.
pub(crate) struct Routers {
    /// Routes that check the access token.
    pub(crate) api: Router,
    /// Routes that do not: their clients prove their identity by a password or a refresh token, or
    /// have none yet.
    pub(crate) credentials: Router,
}

/// Returns the routes.
///
/// # Errors
/// The error of a document that is not valid.
pub(crate) fn routers(schema: Schema, security: Security) -> Result<Routers, String> {
    let state = Arc::new(RestState::new(schema, security)?);
    let user = get(users::read_user).patch(users::update_user).delete(users::delete_user);
    let api = Router::new()
        .route("/user/password", post(sessions::change_password))
        .route("/user", get(users::list_users))
        .route("/user/{user}", user);
    let credentials = Router::new()
        .route("/user/registry", post(users::register_user))
        .route("/user", post(users::create_user))
        .route("/user/auth", post(sessions::authenticate))
        .route("/user/refresh", post(sessions::refresh))
        .route("/user/logout", post(sessions::logout));
    Ok(Routers {
        api: api.with_state(Arc::clone(&state)),
        credentials: credentials.with_state(state),
    })
}

type SharedState = State<Arc<RestState>>;

/// The documents of the routes.
struct RestState {
    security: Security,
    register: RouteDocument<Schema>,
    authenticate: RouteDocument<Schema>,
    refresh: RouteDocument<Schema>,
    logout: RouteDocument<Schema>,
    change_password: RouteDocument<Schema>,
    user: RouteDocument<Schema>,
    user_id_by_username: RouteDocument<Schema>,
    users: RouteDocument<Schema>,
    update_user: RouteDocument<Schema>,
    delete_user: RouteDocument<Schema>,
}

impl RestState {
    fn new(schema: Schema, security: Security) -> Result<Self, String> {
        let fragments = concat!(
            include_str!("user_fields.graphql"),
            include_str!("offer_fields.graphql"),
            include_str!("session_fields.graphql"),
        );
        let schema = RouteSchema::new(schema, fragments)?;
        Ok(Self {
            security,
            register: schema.document(include_str!("register.graphql"))?,
            authenticate: schema.document(include_str!("authenticate.graphql"))?,
            refresh: schema.document(include_str!("refresh.graphql"))?,
            logout: schema.document(include_str!("logout.graphql"))?,
            change_password: schema.document(include_str!("change_password.graphql"))?,
            user: schema.document(include_str!("user.graphql"))?,
            user_id_by_username: schema.document(include_str!("user_id_by_username.graphql"))?,
            users: schema.document(include_str!("users.graphql"))?,
            update_user: schema.document(include_str!("update_user.graphql"))?,
            delete_user: schema.document(include_str!("delete_user.graphql"))?,
        })
    }
}

/// The OpenAPI document of the routes.
#[derive(OpenApi)]
#[openapi(
    paths(
        users::register_user,
        sessions::authenticate,
        users::read_user,
        sessions::refresh,
        sessions::logout,
        sessions::change_password,
        users::list_users,
        users::create_user,
        users::update_user,
        users::delete_user,
    ),
    tags(
        (name = "users", description = "Users and their offers."),
        (name = "session", description = "Sessions, as pairs of an access and a refresh token."),
    ),
    info(
        title = "Users",
        description = "Users, their sessions and their offers.\n\nA path refers to a user by id or by \
                       username: digits alone are an id."
    ),
    components(schemas(problem::Problem, RegisterInput, users::CreateUserByLogin, Offer)),
    modifiers(&BEARER_AUTH, &ERROR_RESPONSES)
)]
struct ApiDoc;

const BEARER_AUTH: BearerAuth =
    BearerAuth("The access token of `POST /user/auth/` or `POST /user/refresh/`.");

const REGISTRATION_ERRORS: &[ErrorCode] =
    &[ErrorCode::UsernameTaken, ErrorCode::EmailTaken, ErrorCode::TooManyRequests, ErrorCode::Busy];

/// The error codes of operations, besides those that all operations share.
const ERROR_RESPONSES: ErrorResponses = ErrorResponses {
    codes: &[
        ("registerUser", REGISTRATION_ERRORS),
        ("createUser", REGISTRATION_ERRORS),
        (
            "authenticate",
            &[ErrorCode::InvalidCredentials, ErrorCode::TooManyRequests, ErrorCode::Busy],
        ),
        (
            "changePassword",
            &[ErrorCode::InvalidCredentials, ErrorCode::TooManyRequests, ErrorCode::Busy],
        ),
        ("readUser", &[ErrorCode::NotFound, ErrorCode::OffersUnavailable]),
        (
            "updateUser",
            &[
                ErrorCode::Forbidden,
                ErrorCode::NotFound,
                ErrorCode::UsernameTaken,
                ErrorCode::EmailTaken,
                ErrorCode::TooManyRequests,
                ErrorCode::Busy,
            ],
        ),
        ("deleteUser", &[ErrorCode::Forbidden, ErrorCode::NotFound]),
    ],
    examples: &[
        (ErrorCode::InvalidInput, "/username", "is missing"),
        (ErrorCode::UsernameTaken, "/username", "is taken"),
        (ErrorCode::EmailTaken, "/email", "is taken"),
    ],
};

/// The schemas and their fields that take a new password.
const PASSWORD_SCHEMAS: [(&str, &str); 4] = [
    ("RegisterRequest", "password"),
    ("RegisterInput", "password"),
    ("CreateUserByLogin", "password"),
    ("ChangePasswordInput", "new_password"),
];

/// Returns the OpenAPI document of an instance in this mode.
pub(crate) fn openapi(security: Security) -> OpenApiDocument {
    let mut document = openapi::for_mode(ApiDoc::openapi(), security);
    let mut schemas = document.components.as_mut().map(|components| &mut components.schemas);
    for (name, field) in PASSWORD_SCHEMAS.into_iter().filter(|_| security == Security::Strict) {
        let schema = schemas.as_deref_mut().and_then(|schemas| schemas.get_mut(name));
        if let Some(RefOr::T(OpenApiSchema::Object(object))) = schema
            && let Some(RefOr::T(OpenApiSchema::Object(field))) = object.properties.get_mut(field)
        {
            field.min_length = Some(passwords::MIN_CHARACTERS_STRICT);
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use schema::User;
    use server::rest::compare_fragment;

    use super::*;
    use crate::{graphql::sessions::Session, validation::RESERVED_USERNAMES};

    #[test]
    fn no_username_is_a_word_of_a_route() {
        for path in ApiDoc::openapi().paths.paths.keys() {
            let word = path.trim_start_matches("/user/").trim_end_matches('/');
            let refers_to_a_user = word.is_empty() || word.starts_with('{');
            assert!(refers_to_a_user || RESERVED_USERNAMES.contains(&word), "{path}");
        }
    }

    #[tokio::test]
    async fn every_document_is_valid() {
        let schema = crate::graphql::schema_builder().limit_complexity(0).finish();
        let RestState {
            security: _,
            register,
            authenticate,
            refresh,
            logout,
            change_password,
            user,
            user_id_by_username,
            users,
            update_user,
            delete_user,
        } = RestState::new(schema, Security::Spec).unwrap();
        let sessions = [authenticate, refresh, logout, change_password];
        let users = [register, user, user_id_by_username, users, update_user, delete_user];
        for document in sessions.into_iter().chain(users) {
            assert_eq!(document.validate_document().await, Ok(()));
        }
    }

    #[test]
    fn fragments_select_every_field_of_the_openapi_schemas() {
        let compared = [
            compare_fragment::<User>(include_str!("user_fields.graphql")),
            compare_fragment::<Offer>(include_str!("offer_fields.graphql")),
            compare_fragment::<Session>(include_str!("session_fields.graphql")),
        ];
        assert_eq!(compared, [Ok(()), Ok(()), Ok(())]);
    }
}
