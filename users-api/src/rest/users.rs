use std::sync::Arc;

use async_graphql::{Name, Value, indexmap::IndexMap, value};
use axum::{
    Extension,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use schema::{Error, Result, Viewer, pagination};
use server::{
    problem::Problem,
    rest::{Answer, Body, PageJson, Params, next_link, page_of},
};

use super::{
    Rest,
    dto::{
        NewUser, OfferParams, PageParams, Registration, User, UserChange, UserId, UserPage,
        UserWithOffers,
    },
};
use crate::{passwords, validation};

type Shared = State<Arc<Rest>>;
type Segment = Result<Path<String>, PathRejection>;

/// Registers a user.
#[utoipa::path(
    post, path = "/user/registry/", operation_id = "registerUser", tag = "users", request_body = Registration,
    responses(
        (status = 201, description = "The user.", body = User, headers(("Location" = String, description = "The address of the user."))),
    )
)]
pub(crate) async fn register(
    State(rest): Shared,
    Extension(viewer): Extension<Viewer>,
    mut body: Body,
) -> Result<Response, Problem> {
    let input = value!({
        "username": body.text("username", Some(validation::username)),
        "password": body.text("password", Some(passwords::validate)),
        "email": body.text("email", Some(validation::email)),
    });
    body.finish()?;
    let answer = rest.register.run(&rest.schema, viewer, [("input", input)]).await?;
    registered(answer)
}

/// Registers a user by `username` or `login`.
#[utoipa::path(
    post, path = "/user/", operation_id = "createUser", tag = "users", request_body = NewUser,
    responses(
        (status = 201, description = "The user.", body = User, headers(("Location" = String, description = "The address of the user."))),
    )
)]
pub(crate) async fn create(
    State(rest): Shared,
    Extension(viewer): Extension<Viewer>,
    mut body: Body,
) -> Result<Response, Problem> {
    let name = if body.has("login") && !body.has("username") { "login" } else { "username" };
    let input = value!({
        "username": body.text(name, Some(validation::username)),
        "password": body.text("password", Some(passwords::validate)),
        "email": body.optional_text("email", Some(validation::email)),
    });
    body.finish()?;
    let answer = rest.register.run(&rest.schema, viewer, [("input", input)]).await;
    let answer = answer.map_err(|error| error.rename("/username", &format!("/{name}")))?;
    registered(answer)
}

fn registered(user: Answer) -> Result<Response, Problem> {
    let location = format!("/user/{}/", user.read::<UserId>()?.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], user).into_response())
}

/// Reads a user with their offers.
#[utoipa::path(
    get, path = "/user/{user}/", operation_id = "readUser", tag = "users", params(
        ("user" = String, Path, description = "An id, or a username that is not digits alone.", example = "1"),
        OfferParams
    ),
    responses(
        (status = 200, description = "The user with their offers. `Link` names the page of offers that follows.", body = UserWithOffers),
    )
)]
pub(crate) async fn read(
    State(rest): Shared,
    Extension(viewer): Extension<Viewer>,
    segment: Segment,
    mut params: Params,
) -> Result<Response, Problem> {
    let size = params.size("offers_limit", pagination::MAX_PAGE_SIZE);
    let after = params.after("offers_after");
    params.finish()?;
    let variables = [
        key(segment)?.variable(),
        ("first", Value::from(size)),
        ("after", pagination::encode_cursor(after).into()),
    ];
    let answer = rest.user.run(&rest.schema, viewer, variables).await?;
    let page = answer.read::<Option<UserPage<'_>>>()?.ok_or_else(not_found)?;
    let link = page.offers.continues().map(|offer| {
        let parameters = [("offers_limit", size.into()), ("offers_after", offer)];
        next_link(&format!("/user/{}/", page.id), &parameters)
    });
    Ok(page_of(UserWithOffers::from(page), link))
}

/// Lists users in the order they registered.
#[utoipa::path(
    get, path = "/user/", operation_id = "listUsers", tag = "users", params(PageParams), security((), ("bearer" = [])),
    responses(
        (status = 200, description = "The users. `Link` names the page that follows.", body = [User]),
    )
)]
pub(crate) async fn list(
    State(rest): Shared,
    Extension(viewer): Extension<Viewer>,
    mut params: Params,
) -> Result<Response, Problem> {
    let (size, after) =
        (params.size("limit", pagination::DEFAULT_PAGE_SIZE), params.after("after"));
    params.finish()?;
    let variables =
        [("first", Value::from(size)), ("after", pagination::encode_cursor(after).into())];
    let answer = rest.users.run(&rest.schema, viewer, variables).await?;
    let found: PageJson<'_> = answer.read()?;
    let next = found.continues();
    let link = next.map(|user| next_link("/user/", &[("limit", size.into()), ("after", user)]));
    Ok(page_of(found.nodes, link))
}

/// Changes a user.
#[utoipa::path(
    patch, path = "/user/{user}/", operation_id = "updateUser", tag = "users", request_body = UserChange,
    params(("user" = String, Path, description = "An id, or a username that is not digits alone.", example = "1")),
    security((), ("bearer" = [])),
    responses(
        (status = 200, description = "The user.", body = User),
    )
)]
pub(crate) async fn update(
    State(rest): Shared,
    Extension(viewer): Extension<Viewer>,
    segment: Segment,
    mut body: Body,
) -> Result<Answer, Problem> {
    let mut input = IndexMap::new();
    if body.names("username") {
        let username = body.text("username", Some(validation::username));
        input.insert(Name::new("username"), Value::from(username));
    }
    if body.names("email") {
        let email = body.optional_text("email", Some(validation::email));
        input.insert(Name::new("email"), Value::from(email));
    }
    body.finish()?;
    let id = rest.id(key(segment)?, viewer).await?;
    let variables = [("id", Value::from(id)), ("input", Value::Object(input))];
    Ok(rest.update.run(&rest.schema, viewer, variables).await?)
}

/// Deletes a user with all their offers and sessions.
#[utoipa::path(
    delete, path = "/user/{user}/", operation_id = "deleteUser", tag = "users",
    params(("user" = String, Path, description = "An id, or a username that is not digits alone.", example = "1")),
    security((), ("bearer" = [])),
    responses(
        (status = 204, description = "The user is gone, with all their offers and tokens."),
    )
)]
pub(crate) async fn delete(
    State(rest): Shared,
    Extension(viewer): Extension<Viewer>,
    segment: Segment,
) -> Result<StatusCode, Problem> {
    let id = rest.id(key(segment)?, viewer).await?;
    rest.delete.run(&rest.schema, viewer, [("id", Value::from(id))]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What names a user in a path.
enum Key {
    Id(String),
    Name(String),
}

impl Key {
    fn variable(self) -> (&'static str, Value) {
        match self {
            Self::Id(id) => ("id", id.into()),
            Self::Name(name) => ("username", name.into()),
        }
    }
}

fn key(segment: Segment) -> Result<Key> {
    // What is no text names no user.
    let Path(segment) = segment.map_err(|_| not_found())?;
    let digits = segment.bytes().all(|byte| byte.is_ascii_digit());
    Ok(if digits { Key::Id(segment) } else { Key::Name(segment) })
}

impl Rest {
    /// The id of the user: mutations take no usernames.
    async fn id(&self, key: Key, viewer: Viewer) -> Result<String> {
        match key {
            Key::Id(id) => Ok(id),
            Key::Name(name) => {
                let variables = [("username", Value::from(name))];
                let answer = self.find.run(&self.schema, viewer, variables).await?;
                let found = answer.read::<Option<UserId>>()?.ok_or_else(not_found)?;
                Ok(found.id.to_string())
            }
        }
    }
}

fn not_found() -> Error {
    Error::not_found("There is no such user.")
}
