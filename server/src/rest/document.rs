//! The GraphQL document of a route: reads its variables, runs it and translates the answer.

use std::{
    collections::{BTreeSet, HashMap},
    mem, slice,
    sync::Arc,
};

use async_graphql::{
    Executor, InputType, Name, ObjectType, Positioned, Request, Response, Schema, SubscriptionType,
    Value, Variables,
    indexmap::IndexMap,
    parser::{
        parse_query,
        types::{
            DocumentOperations, ExecutableDocument, FragmentDefinition, Selection, SelectionSet,
        },
    },
};
use async_graphql_value::Value as InputValue;
use axum::{
    http::header,
    response::{IntoResponse, Response as HttpResponse},
};
use schema::{
    DirectJsonEnabled, Error, FieldErrors, JsonWriter, Notation, Precondition, Result, Viewer,
};
use serde::Deserialize;
use serde_json::Map;
use utoipa::PartialSchema;

use super::{
    body::JsonBody,
    input::{InputField, InputTypes, snake_case},
    params::QueryParams,
};
use crate::openapi;

/// The schema that the documents of routes run on.
#[derive(Debug)]
pub struct RouteSchema<E> {
    schema: E,
    types: Arc<InputTypes>,
    fragments: &'static str,
}

impl<Q, M, S> RouteSchema<Schema<Q, M, S>>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    /// Reads the input types of the schema. Every document can use the fragments.
    ///
    /// # Errors
    /// The position of a syntax error.
    pub fn new(schema: Schema<Q, M, S>, fragments: &'static str) -> Result<Self, String> {
        let types = Arc::new(InputTypes::from_sdl(&schema.sdl())?);
        Ok(Self { schema, types, fragments })
    }
}

impl<E: Executor> RouteSchema<E> {
    /// Parses a document that is part of the program.
    ///
    /// # Errors
    /// A syntax error, or the name of a field that is selected twice.
    pub fn document(&self, source: &str) -> Result<RouteDocument<E>, String> {
        let source = format!("{source}{}", self.fragments);
        let mut query = parse_query(&source).map_err(|error| error.to_string())?;
        // Once, so that no request looks a fragment up for each row.
        let fragments = mem::take(&mut query.fragments);
        // An operation with a name is one of several for the parser.
        if let DocumentOperations::Multiple(operations) = &mut query.operations {
            for operation in operations.values_mut() {
                inline_fragments(&mut operation.node.selection_set.node, &fragments);
            }
        }
        // Direct JSON needs it.
        if !graphql_http::has_unique_keys(&query) {
            return Err(format!("a document selects a field twice: {source}"));
        }
        let variables = query.operations.iter().flat_map(|(_, one)| &one.node.variable_definitions);
        let variables = variables.map(|one| {
            let (name, ty) = (&one.node.name.node, &one.node.var_type.node);
            InputField::new(name, ty, one.node.default_value.is_some())
        });
        Ok(RouteDocument {
            variables: variables.collect(),
            renamed: renamed_arguments(&query),
            query,
            schema: self.schema.clone(),
            types: Arc::clone(&self.types),
        })
    }
}

/// Returns the pointers to arguments of root fields whose variables have other names, each with the
/// pointer to the variable.
fn renamed_arguments(query: &ExecutableDocument) -> Vec<(String, String)> {
    fn visit(pointer: &str, value: &InputValue, renamed: &mut Vec<(String, String)>) {
        match value {
            InputValue::Variable(name) if pointer != format!("/{name}") => {
                renamed.push((pointer.to_owned(), format!("/{}", snake_case(name))));
            }
            InputValue::Object(fields) => {
                for (name, value) in fields {
                    visit(&format!("{pointer}/{name}"), value, renamed);
                }
            }
            _ => (),
        }
    }
    let mut renamed = Vec::new();
    let operations = query.operations.iter().map(|(_, operation)| operation);
    for selection in operations.flat_map(|one| &one.node.selection_set.node.items) {
        if let Selection::Field(field) = &selection.node {
            for (name, value) in &field.node.arguments {
                visit(&format!("/{}", name.node), &value.node, &mut renamed);
            }
        }
    }
    renamed
}

/// Replaces the spreads of fragments by the fields of the fragments.
fn inline_fragments(
    selection: &mut SelectionSet,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
) {
    for mut item in mem::take(&mut selection.items) {
        match &mut item.node {
            Selection::Field(field) => {
                inline_fragments(&mut field.node.selection_set.node, fragments);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                    selection.items.extend(fragment.node.selection_set.node.items.iter().cloned());
                    continue;
                }
            }
            Selection::InlineFragment(_) => (),
        }
        selection.items.push(item);
    }
}

/// The GraphQL document of a route, parsed once.
#[derive(Debug)]
pub struct RouteDocument<E> {
    schema: E,
    types: Arc<InputTypes>,
    query: ExecutableDocument,
    variables: Vec<InputField>,
    /// Pointers to arguments whose variables have other names, which are those of REST.
    renamed: Vec<(String, String)>,
}

impl<E: Executor> RouteDocument<E> {
    /// Reads the variables that are not among `given` from a body: one of an input type is the body
    /// as a whole, any other a field of it.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names each field that is missing or of the wrong type.
    pub fn variables(&self, body: JsonBody, given: Value) -> Result<Value> {
        let (variables, errors) = self.read_variables(body, given);
        errors.into_result().map(|()| Value::Object(variables))
    }

    /// Reads the variables that are not among `given` from the query string.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names each parameter that is of the wrong type.
    pub fn query_variables(&self, params: &mut QueryParams, given: Value) -> Result<Value> {
        let errors = mem::take(&mut params.errors);
        let mut body = JsonBody { object: Map::new(), errors };
        for field in &self.variables {
            if let Some(text) = params.get(&field.json_name) {
                body.set(&field.json_name, field.json_from_text(text));
            }
        }
        self.variables(body, given)
    }

    /// Reads the variables like [`Self::variables`], for a resolver that validates an input of type
    /// `T`. If fields are missing or of the wrong type, the resolver cannot run: `validate` stands in
    /// for it, so that one answer names every bad field, in the order of the input type.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names each bad field.
    pub fn validated_variables<T: InputType, V>(
        &self,
        body: JsonBody,
        given: Value,
        validate: impl FnOnce(T) -> Result<V>,
    ) -> Result<Value> {
        let (mut variables, errors) = self.read_variables(body, given);
        let Err(found) = errors.into_result() else { return Ok(Value::Object(variables)) };
        let of_type = |field: &&InputField| field.ty.base.to_string() == T::type_name();
        let input = self.variables.iter().find(of_type);
        let value = T::parse(input.and_then(|field| variables.swap_remove(&field.name)));
        let value =
            value.map_err(|error| Error::internal(error.into_server_error(<_>::default())))?;
        let broken = validate(value).map_err(snake_case_pointers).err();
        let broken = broken.into_iter().flat_map(|error| error.field_errors);
        // A placeholder stands for a bad field, and may break its rule.
        let is_placeholder = |pointer: &str| {
            found.field_errors.iter().any(|bad| {
                let rest = pointer.strip_prefix(bad.pointer.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        let broken = broken.filter(|field| !is_placeholder(&field.pointer));
        let mut all: Vec<_> = found.field_errors.iter().cloned().chain(broken).collect();
        let fields = input.and_then(|field| self.types.fields_of(&field.ty)).unwrap_or_default();
        all.sort_by_key(|error| fields.iter().position(|field| field.contains(&error.pointer)));
        let mut errors = FieldErrors::default();
        for field in all {
            errors.push(&field.pointer, field.detail);
        }
        errors.into_result().map(|()| Value::Object(variables))
    }

    fn read_variables(&self, body: JsonBody, given: Value) -> (IndexMap<Name, Value>, FieldErrors) {
        let JsonBody { mut object, mut errors } = body;
        let Value::Object(mut variables) = given else { return Default::default() };
        for field in &self.variables {
            if variables.contains_key(&field.name) {
                continue;
            }
            let mut read = |fields| self.types.read_fields(fields, &mut object, "", &mut errors);
            match self.types.fields_of(&field.ty) {
                Some(fields) => {
                    let input = Value::Object(read(fields));
                    variables.insert(field.name.clone(), input);
                }
                None => variables.extend(read(slice::from_ref(field))),
            }
        }
        (variables, errors)
    }

    /// Runs the document.
    ///
    /// # Errors
    /// The first error of the answer.
    pub async fn run(&self, viewer: Viewer, variables: Value) -> Result<FieldJson> {
        self.execute(self.request(viewer, variables)).await
    }

    /// Runs the document of a change, under this condition.
    ///
    /// # Errors
    /// The first error of the answer.
    pub async fn run_if<T: Send + Sync + 'static>(
        &self,
        viewer: Viewer,
        variables: Value,
        precondition: Precondition<T>,
    ) -> Result<FieldJson> {
        self.execute(self.request(viewer, variables).data(precondition)).await
    }

    fn request(&self, viewer: Viewer, variables: Value) -> Request {
        let request = Request::new("").variables(Variables::from_value(variables)).data(viewer);
        let mut request = request.data(DirectJsonEnabled).data(Notation::Rest);
        request.set_parsed_query(self.query.clone());
        request
    }

    async fn execute(&self, request: Request) -> Result<FieldJson> {
        let answer = self.schema.execute(request).await;
        single_root_field(answer).map_err(|error| {
            let renamed = self.renamed.iter();
            let rename = |error: Error, (from, to): &(String, String)| error.rename_field(from, to);
            snake_case_pointers(renamed.fold(error, rename))
        })
    }

    /// Validates the document against its schema without running it, for tests. The schema must allow
    /// no complexity, so that a valid document stops there.
    ///
    /// # Errors
    /// The errors of the validation.
    pub async fn validate_document(&self) -> Result<(), String> {
        // The complexity of a page depends on its size.
        let variables = Variables::from_json(serde_json::json!({ "first": 1, "limit": 1 }));
        let mut request = Request::new("").variables(variables);
        request.set_parsed_query(self.query.clone());
        match &self.schema.execute(request).await.errors[..] {
            [error] if error.message == "Query is too complex." => Ok(()),
            errors => Err(format!("{:?}: {errors:?}", self.query.operations)),
        }
    }
}

/// Compares the fields of a fragment with those of the OpenAPI schema of the objects, for tests.
///
/// # Errors
/// The fragment and the fields that it should select.
pub fn compare_fragment<T: PartialSchema>(fragment: &str) -> Result<(), String> {
    // The fields of a nested object are indented further.
    let lines = fragment.lines().filter_map(|line| line.strip_prefix("  "));
    let keys = lines.filter_map(|line| line.split([':', ' ']).next());
    let selected: BTreeSet<_> = keys.filter(|key| !key.is_empty() && *key != "}").collect();
    let object = openapi::object_of::<T>();
    let described: BTreeSet<_> = object.properties.keys().map(String::as_str).collect();
    if selected == described {
        Ok(())
    } else {
        Err(format!("{fragment} should select {described:?}"))
    }
}

/// The value of the only root field of an answer, as JSON. Ids are numbers.
#[derive(Debug)]
pub struct FieldJson(String);

impl FieldJson {
    /// Returns true if the field is null: there is no such object.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0 == "null"
    }

    /// Returns the JSON.
    #[must_use]
    pub fn into_json(self) -> String {
        self.0
    }

    /// Deserializes the value.
    ///
    /// # Errors
    /// `INTERNAL` if it is of another type.
    pub fn deserialize<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_str(&self.0).map_err(Error::internal)
    }
}

impl IntoResponse for FieldJson {
    fn into_response(self) -> HttpResponse {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

fn single_root_field(response: Response) -> Result<FieldJson> {
    if let Some(error) = response.errors.into_iter().next() {
        return Err(match error.source::<Error>() {
            Some(error) => error.clone(),
            None => Error::internal(error.message),
        });
    }
    let Value::Object(fields) = response.data else {
        return Err(Error::internal("the data of an answer is no object"));
    };
    let mut json = JsonWriter::new(Notation::Rest);
    json.value(fields.first().map_or(&Value::Null, |(_, value)| value));
    String::from_utf8(json.into_bytes()).map(FieldJson).map_err(Error::internal)
}

/// Translates the pointers of GraphQL into those of REST.
fn snake_case_pointers(mut error: Error) -> Error {
    for field in &mut error.field_errors {
        field.pointer = snake_case(&field.pointer);
    }
    error
}
