//! Default values of variables whose type is a list of what does not exist.
//!
//! async-graphql's validator panics at them: it looks a type up before it checks a default value,
//! but not what a list is of. So the schema is asked for those types first.

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

const ASK: &str = "query($name: String!) { __type(name: $name) { name } }";

/// A schema that such a document does not reach.
#[derive(Clone)]
pub(super) struct Known<E>(pub(super) E);

impl<E: Executor> Known<E> {
    /// What refuses the request, if anything does.
    async fn refusal(&self, request: &mut Request) -> Option<Response> {
        // What is no GraphQL, the schema says better.
        let types = request.parsed_query().map(listed).unwrap_or_default();
        for (name, pos) in types {
            let variables = Variables::from_value(value!({ "name": name.as_str() }));
            let answer = self.0.execute(Request::new(ASK).variables(variables)).await;
            if answer.data == value!({ "__type": null }) {
                let error = ServerError::new(format!("Unknown type \"{name}\""), Some(pos));
                return Some(Response::from_errors(vec![error]));
            }
        }
        None
    }
}

impl<E: Executor> Executor for Known<E> {
    async fn execute(&self, mut request: Request) -> Response {
        match self.refusal(&mut request).await {
            Some(refusal) => refusal,
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
            match this.refusal(&mut request).await {
                Some(refusal) => stream::iter([refusal]).boxed(),
                None => this.0.execute_stream(request, data),
            }
        };
        stream::once(events).flatten().boxed()
    }
}

/// What the lists that have a default value are of, and where each is named first.
fn listed(document: &ExecutableDocument) -> HashMap<Name, Pos> {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node);
    let mut types = HashMap::new();
    for variable in operations.flat_map(|operation| &operation.variable_definitions) {
        let definition = &variable.node;
        if let (BaseType::List(inner), Some(_)) =
            (&definition.var_type.node.base, &definition.default_value)
        {
            types.entry(innermost(inner).clone()).or_insert(variable.pos);
        }
    }
    types
}

fn innermost(mut of: &Type) -> &Name {
    loop {
        match &of.base {
            BaseType::Named(name) => return name,
            BaseType::List(inner) => of = inner,
        }
    }
}
