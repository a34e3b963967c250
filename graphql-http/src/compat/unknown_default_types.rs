//! Defect: the validator panics at a variable with a default value whose type is a list of a type
//! that does not exist, such as `$ids: [Unknown!] = [1]`.
//!
//! Function: `DefaultValuesOfCorrectType::enter_variable_definition` in
//! `src/validation/rules/default_values_of_correct_type.rs` looks up a named type alone before
//! `is_valid_input_value` in `src/validation/utils.rs` panics. Named types were fixed with
//! <https://github.com/async-graphql/async-graphql/pull/795>, and the panic is known since
//! <https://github.com/async-graphql/async-graphql/issues/911>; lists were not fixed.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Data, Executor, Name, Pos, Request, Response, ServerError, Variables,
    parser::types::{BaseType, ExecutableDocument, Type},
    value,
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

const TYPE_QUERY: &str = "query($name: String!) { __type(name: $name) { name } }";

/// A schema that rejects such documents before validation.
#[derive(Clone)]
pub(crate) struct CheckedExecutor<E>(pub(crate) E);

impl<E: Executor> CheckedExecutor<E> {
    /// Returns the error for a list type that does not exist; `None` if all do.
    async fn unknown_type_error(&self, request: &mut Request) -> Option<Response> {
        // Syntax errors are left to the schema.
        let types = request.parsed_query().map(list_types_with_defaults).unwrap_or_default();
        for (name, pos) in types {
            let variables = Variables::from_value(value!({ "name": name.as_str() }));
            let answer = self.0.execute(Request::new(TYPE_QUERY).variables(variables)).await;
            if answer.data == value!({ "__type": null }) {
                let error = ServerError::new(format!("Unknown type \"{name}\""), Some(pos));
                return Some(Response::from_errors(vec![error]));
            }
        }
        None
    }
}

impl<E: Executor> Executor for CheckedExecutor<E> {
    async fn execute(&self, mut request: Request) -> Response {
        match self.unknown_type_error(&mut request).await {
            Some(error) => error,
            None => self.0.execute(request).await,
        }
    }

    fn execute_stream(
        &self,
        mut request: Request,
        data: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let this = self.clone();
        let events = async move {
            match this.unknown_type_error(&mut request).await {
                Some(error) => stream::iter([error]).boxed(),
                None => this.0.execute_stream(request, data),
            }
        };
        stream::once(events).flatten().boxed()
    }
}

/// Returns the base types of all list variables with a default value, each with its first position.
fn list_types_with_defaults(document: &ExecutableDocument) -> HashMap<Name, Pos> {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node);
    let mut types = HashMap::new();
    for variable in operations.flat_map(|operation| &operation.variable_definitions) {
        let definition = &variable.node;
        if let (BaseType::List(inner), Some(_)) =
            (&definition.var_type.node.base, &definition.default_value)
        {
            types.entry(base_type(inner).clone()).or_insert(variable.pos);
        }
    }
    types
}

fn base_type(mut of: &Type) -> &Name {
    loop {
        match &of.base {
            BaseType::Named(name) => return name,
            BaseType::List(inner) => of = inner,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
    use futures_util::FutureExt;

    struct Query;

    #[Object]
    impl Query {
        async fn hello(&self) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn upstream_panics_at_a_default_for_a_list_of_an_unknown_type() {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let execution = schema.execute("query($ids: [Unknown!] = [1]) { hello }");
        let panicked = AssertUnwindSafe(execution).catch_unwind().await.is_err();
        assert!(panicked, "fixed: delete this work-around");
    }
}
