//! The routes of users.

use async_graphql::value;
use axum::{
    Extension,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use schema::{Error, Offer, Precondition, Result, User, Viewer, pagination};
use server::{
    openapi,
    problem::Problem,
    rest::{
        FieldJson, JsonBody, ObjectJson, PageJson, Preconditions, QueryParams,
        conditional::{IF_MATCH, IF_NONE_MATCH, NOT_MODIFIED},
        insert_link, next_link, page_response,
    },
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{OneOfBuilder, Ref, Type},
    },
};

use super::{RestState, SharedState};
use crate::{
    accounts::{SeenUser, user_not_found},
    graphql::accounts::{RegisterInput, UpdateUserInput},
};

type UserPath = Result<Path<String>, PathRejection>;

/// The body of `POST /user/registry/`: as in GraphQL, with a required email.
pub(crate) struct RegisterRequest;

impl ToSchema for RegisterRequest {}

impl PartialSchema for RegisterRequest {
    fn schema() -> RefOr<Schema> {
        let mut body = openapi::object_of::<RegisterInput>();
        if let Some(RefOr::T(Schema::Object(email))) = body.properties.get_mut("email") {
            email.schema_type = Type::String.into();
        }
        body.required.push("email".to_owned());
        Schema::Object(body).into()
    }
}

/// The body of `POST /user/`: as in GraphQL, with `username` or `login`.
pub(crate) struct CreateUserRequest;

impl ToSchema for CreateUserRequest {}

impl PartialSchema for CreateUserRequest {
    fn schema() -> RefOr<Schema> {
        let mut by_username = Ref::from_schema_name(RegisterInput::name());
        by_username.title = Some("By username".to_owned());
        let mut by_login = Ref::from_schema_name(CreateUserByLogin::name());
        by_login.title = Some("By login".to_owned());
        OneOfBuilder::new()
            .item(by_username)
            .item(by_login)
            .description(Some("A new user by `username` or `login`."))
            .into()
    }
}

/// The body of `POST /user/` with `login` instead of `username`.
pub(crate) struct CreateUserByLogin;

impl ToSchema for CreateUserByLogin {}

impl PartialSchema for CreateUserByLogin {
    fn schema() -> RefOr<Schema> {
        let mut body = openapi::object_of::<RegisterInput>();
        let null = openapi::null_schema();
        if let Some(username) = body.properties.insert("username".to_owned(), null) {
            body.properties.insert("login".to_owned(), username);
        }
        for name in body.required.iter_mut().filter(|name| *name == "username") {
            "login".clone_into(name);
        }
        Schema::Object(body).into()
    }
}

/// A user with their offers, oldest first.
pub(crate) struct UserWithOffers;

impl ToSchema for UserWithOffers {}

impl PartialSchema for UserWithOffers {
    fn schema() -> RefOr<Schema> {
        let mut user = openapi::object_of::<User>();
        let mut offers = Ref::from_schema_name(Offer::name()).to_array_builder();
        offers = offers.description(Some(
            "The first offers, at most 1000 and 1 MiB of text; if there are more, `Link` refers to the next \
             page.",
        ));
        user.properties.insert("offers".to_owned(), offers.build().into());
        user.required.push("offers".to_owned());
        user.description = Some("A user with their offers, oldest first.".to_owned());
        Schema::Object(user).into()
    }
}

/// Registers a user.
#[utoipa::path(
    post, path = "/user/registry/", operation_id = "registerUser", tag = "users", request_body = RegisterRequest,
    responses(
        (status = 201, description = "The user.", body = User, headers(("Location" = String, description = "The address of the user."))),
    )
)]
pub(crate) async fn register_user(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    mut body: JsonBody,
) -> Result<Response, Problem> {
    body.require("email");
    Ok(rest.run_register(viewer, body).await?)
}

/// Registers a user by `username` or `login`.
#[utoipa::path(
    post, path = "/user/", operation_id = "createUser", tag = "users", request_body = CreateUserRequest,
    responses(
        (status = 201, description = "The user.", body = User, headers(("Location" = String, description = "The address of the user."))),
    )
)]
pub(crate) async fn create_user(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    mut body: JsonBody,
) -> Result<Response, Problem> {
    if body.has_value("username") || !body.has_value("login") {
        return Ok(rest.run_register(viewer, body).await?);
    }
    body.rename("login", "username");
    let registered = rest.run_register(viewer, body).await;
    Ok(registered.map_err(|error| error.rename_field("/username", "/login"))?)
}

/// Reads a user with their offers.
#[utoipa::path(
    get, path = "/user/{user}/", operation_id = "readUser", tag = "users",
    params(
        ("user" = String, Path, description = "An id, or a username that is not digits alone.", example = "1"),
        ("offers_limit" = Option<i32>, Query, minimum = 1, maximum = 1000, description = "The size of the page of offers, 1000 by default. A page ends early after 1 MiB of text."),
        ("offers_after" = Option<i64>, Query, minimum = 0, description = "Returns only offers after the one with this id."),
        ("If-Match" = Option<String>, Header, description = IF_MATCH),
        ("If-None-Match" = Option<String>, Header, description = IF_NONE_MATCH),
    ),
    responses(
        (status = 200, description = "The user with their offers. `Link` refers to the next page of offers.", body = UserWithOffers, headers(("ETag" = String, description = "The strong entity tag of the object."))),
        (status = 304, description = NOT_MODIFIED, headers(("ETag" = String, description = "The strong entity tag of the object."))),
    )
)]
pub(crate) async fn read_user(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    path: UserPath,
    preconditions: Preconditions,
    mut params: QueryParams,
) -> Result<Response, Problem> {
    let size =
        params.page_size("offers_limit", pagination::MAX_PAGE_SIZE, pagination::MAX_PAGE_SIZE);
    let after = params.after("offers_after");
    params.into_result()?;
    let user = UserRef::from_path(path)?;
    let UserPage { id, json, next } =
        rest.read_user(viewer, user, size, after).await?.ok_or_else(user_not_found)?;
    let path = format!("/user/{id}/");
    let link = next
        .map(|offer| next_link(&path, &[("offers_limit", size.into()), ("offers_after", offer)]));
    let mut response = preconditions.respond_to_get(json)?;
    insert_link(&mut response, link);
    Ok(response)
}

/// Lists users in the order of their registration.
#[utoipa::path(
    get, path = "/user/", operation_id = "listUsers", tag = "users", security((), ("bearer" = [])),
    params(
        ("limit" = Option<i32>, Query, minimum = 1, maximum = 1000, description = "The size of the page, 100 by default."),
        ("after" = Option<i64>, Query, minimum = 0, description = "Returns only users after the one with this id."),
    ),
    responses(
        (status = 200, description = "The users. `Link` refers to the next page.", body = [User]),
    )
)]
pub(crate) async fn list_users(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    mut params: QueryParams,
) -> Result<Response, Problem> {
    let size = params.page_size("limit", pagination::DEFAULT_PAGE_SIZE, pagination::MAX_PAGE_SIZE);
    let after = params.after("after");
    params.into_result()?;
    let variables = value!({ "first": size, "after": pagination::encode_cursor(after) });
    let answer = rest.users.run(viewer, variables).await?;
    let page: PageJson<'_> = answer.deserialize()?;
    let next = page.next_after();
    let link = next.map(|user| next_link("/user/", &[("limit", size.into()), ("after", user)]));
    Ok(page_response(page.nodes, link))
}

/// Updates a user.
#[utoipa::path(
    patch, path = "/user/{user}/", operation_id = "updateUser", tag = "users", request_body = UpdateUserInput,
    params(
        ("user" = String, Path, description = "An id, or a username that is not digits alone.", example = "1"),
        ("If-Match" = Option<String>, Header, description = IF_MATCH),
    ),
    security((), ("bearer" = [])),
    responses((status = 200, description = "The user.", body = User))
)]
pub(crate) async fn update_user(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    path: UserPath,
    preconditions: Preconditions,
    body: JsonBody,
) -> Result<FieldJson, Problem> {
    let id = rest.user_id(path, viewer).await?;
    let given = value!({ "id": id.as_str() });
    let variables = rest.update_user.validated_variables(body, given, UpdateUserInput::validate)?;
    let precondition = rest.precondition(&preconditions, viewer, &id).await?;
    Ok(rest.update_user.run_if(viewer, variables, precondition).await?)
}

/// Deletes a user with all their offers and sessions.
#[utoipa::path(
    delete, path = "/user/{user}/", operation_id = "deleteUser", tag = "users",
    params(
        ("user" = String, Path, description = "An id, or a username that is not digits alone.", example = "1"),
        ("If-Match" = Option<String>, Header, description = IF_MATCH),
    ),
    security((), ("bearer" = [])),
    responses((status = 204, description = "The user is deleted, with all their offers and tokens."))
)]
pub(crate) async fn delete_user(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    path: UserPath,
    preconditions: Preconditions,
) -> Result<StatusCode, Problem> {
    let id = rest.user_id(path, viewer).await?;
    let precondition = rest.precondition(&preconditions, viewer, &id).await?;
    rest.delete_user.run_if(viewer, value!({ "id": id }), precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl RestState {
    /// Registers a user. Returns the response with its address.
    async fn run_register(&self, viewer: Viewer, body: JsonBody) -> Result<Response> {
        let validate = |input: RegisterInput| input.validate(self.security);
        let variables = self.register.validated_variables(body, value!({}), validate)?;
        let user = self.register.run(viewer, variables).await?;
        let id: i64 = user.deserialize::<ObjectJson<'_>>()?.get("id")?;
        Ok((StatusCode::CREATED, [(header::LOCATION, format!("/user/{id}/"))], user)
            .into_response())
    }

    /// Reads a user with a page of their offers, or returns `None` if there is no such user.
    async fn read_user(
        &self,
        viewer: Viewer,
        user: UserRef,
        size: i32,
        after: Option<i64>,
    ) -> Result<Option<UserPage>> {
        let variables = value!({
            "id": user.id,
            "username": user.username,
            "first": size,
            "after": pagination::encode_cursor(after),
        });
        let answer = self.user.run(viewer, variables).await?;
        let Some(mut user) = answer.deserialize::<Option<ObjectJson<'_>>>()? else {
            return Ok(None);
        };
        let next = user.unwrap_page("offers")?.next_after();
        Ok(Some(UserPage {
            id: user.get("id")?,
            next,
            json: serde_json::to_string(&user).map_err(Error::internal)?,
        }))
    }

    /// Returns the precondition of a change of a user. It is about what `GET /user/{id}/` answers,
    /// offers included; the statement of the change compares the fields of the user again.
    async fn precondition(
        &self,
        preconditions: &Preconditions,
        viewer: Viewer,
        id: &str,
    ) -> Result<Precondition<SeenUser>> {
        let read = async || {
            let user = UserRef { id: Some(id.to_owned()), username: None };
            let page = self.read_user(viewer, user, pagination::MAX_PAGE_SIZE, None).await?;
            let Some(UserPage { json, .. }) = page else { return Ok(None) };
            let seen = serde_json::from_str(&json).map_err(Error::internal)?;
            Ok(Some((json, seen)))
        };
        preconditions.for_change(read).await
    }

    /// Returns the id of the user in a path: mutations take no usernames.
    async fn user_id(&self, path: UserPath, viewer: Viewer) -> Result<String> {
        let user = UserRef::from_path(path)?;
        if let Some(id) = user.id {
            return Ok(id);
        }
        let variables = value!({ "username": user.username });
        let answer = self.user_id_by_username.run(viewer, variables).await?;
        let user: ObjectJson<'_> = answer.deserialize::<Option<_>>()?.ok_or_else(user_not_found)?;
        Ok(user.get::<i64>("id")?.to_string())
    }
}

/// A user with a page of their offers, as JSON.
struct UserPage {
    id: i64,
    json: String,
    /// The id after which the next page of offers begins.
    next: Option<i64>,
}

/// A user in a path, by id or by username.
#[derive(Default)]
struct UserRef {
    id: Option<String>,
    username: Option<String>,
}

impl UserRef {
    fn from_path(path: UserPath) -> Result<Self> {
        // A segment that is not UTF-8 is not a username.
        let Path(segment) = path.map_err(|_| user_not_found())?;
        Ok(if segment.bytes().all(|byte| byte.is_ascii_digit()) {
            Self { id: Some(segment), ..Self::default() }
        } else {
            Self { username: Some(segment), ..Self::default() }
        })
    }
}
