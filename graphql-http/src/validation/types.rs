//! The types of a schema.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned,
    parser::{
        self,
        types::{
            BaseType, DirectiveDefinition, FieldDefinition, InputValueDefinition, OperationType,
            Type, TypeDefinition, TypeKind, TypeSystemDefinition,
        },
    },
};

use crate::compat::repeatable_directives;

const INTROSPECTION_TYPES: &str = include_str!("introspection_types.graphql");
/// The type whose fields every object has, and the query root all of.
const META_TYPE: &str = "__Meta";
const BUILT_IN_SCALARS: [&str; 5] = ["Int", "Float", "String", "Boolean", "ID"];

/// The types and directives of a schema, by name.
#[derive(Debug, Default)]
pub(crate) struct SchemaTypes {
    types: HashMap<Name, TypeDefinition>,
    directives: HashMap<Name, DirectiveDefinition>,
    /// The objects of each composite type.
    possible_types: HashMap<Name, HashSet<Name>>,
    query: Option<Name>,
    mutation: Option<Name>,
    subscription: Option<Name>,
}

impl SchemaTypes {
    /// Reads the types from the schema definition language.
    ///
    /// # Errors
    /// A syntax error.
    pub(crate) fn from_sdl(sdl: &str) -> Result<Self, parser::Error> {
        let mut types = Self::default();
        for text in [INTROSPECTION_TYPES, sdl] {
            types.add(text)?;
        }
        types.add_built_in_scalars();
        types.add_possible_types();
        Ok(types)
    }

    fn add(&mut self, sdl: &str) -> Result<(), parser::Error> {
        for definition in parser::parse_schema(sdl)?.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    let root = |name: Option<Positioned<Name>>| name.map(Positioned::into_inner);
                    self.query = root(schema.node.query);
                    self.mutation = root(schema.node.mutation);
                    self.subscription = root(schema.node.subscription);
                }
                TypeSystemDefinition::Type(definition) => {
                    let definition = definition.node;
                    self.types.insert(definition.name.node.clone(), definition);
                }
                TypeSystemDefinition::Directive(definition) => {
                    let mut definition = definition.node;
                    repeatable_directives::correct_repeatable(&mut definition, sdl);
                    self.directives.insert(definition.name.node.clone(), definition);
                }
            }
        }
        Ok(())
    }

    /// Adds the scalars that are used: a schema has no others (section 3.5).
    fn add_built_in_scalars(&mut self) {
        let mut used = HashSet::new();
        for definition in self.types.values() {
            let fields = fields_of(definition).iter().map(|field| &field.node);
            let inputs = fields.clone().flat_map(|field| &field.arguments);
            let inputs = inputs.chain(input_fields_of(definition)).map(|input| &input.node.ty.node);
            let types = inputs.chain(fields.map(|field| &field.ty.node));
            used.extend(types.map(|ty| base_type(ty).clone()));
        }
        for name in used.into_iter().filter(|name| BUILT_IN_SCALARS.contains(&name.as_str())) {
            let definition = TypeDefinition {
                extend: false,
                description: None,
                name: Positioned::new(name.clone(), <_>::default()),
                directives: Vec::new(),
                kind: TypeKind::Scalar,
            };
            self.types.insert(name, definition);
        }
    }

    fn add_possible_types(&mut self) {
        for (name, definition) in &self.types {
            let object = || HashSet::from([name.clone()]);
            match &definition.kind {
                TypeKind::Object(of) => {
                    self.possible_types.insert(name.clone(), object());
                    for interface in &of.implements {
                        let possible = self.possible_types.entry(interface.node.clone());
                        possible.or_default().insert(name.clone());
                    }
                }
                TypeKind::Union(of) => {
                    let members = of.members.iter().map(|member| member.node.clone()).collect();
                    self.possible_types.insert(name.clone(), members);
                }
                _ => (),
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&TypeDefinition> {
        self.types.get(name)
    }

    pub(super) fn directive(&self, name: &str) -> Option<&DirectiveDefinition> {
        self.directives.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(Name::as_str)
    }

    pub(super) fn directive_names(&self) -> impl Iterator<Item = &str> {
        self.directives.keys().map(Name::as_str)
    }

    /// Returns the type at the root of an operation; `None` if the schema has no such operations.
    pub(super) fn root(&self, operation: OperationType) -> Option<&TypeDefinition> {
        let name = match operation {
            OperationType::Query => &self.query,
            OperationType::Mutation => &self.mutation,
            OperationType::Subscription => &self.subscription,
        };
        name.as_ref().and_then(|name| self.get(name))
    }

    pub(super) fn field(&self, parent: &TypeDefinition, name: &str) -> Option<&FieldDefinition> {
        let has_schema = self.query.as_ref() == Some(&parent.name.node);
        let owner = match name {
            "__typename" => self.get(META_TYPE)?,
            "__schema" | "__type" if has_schema => self.get(META_TYPE)?,
            _ => self.get(&parent.name.node)?,
        };
        fields_of(owner).iter().map(|field| &field.node).find(|field| field.name.node == name)
    }

    /// Returns whether an object can be of both types.
    pub(super) fn types_overlap(&self, one: &TypeDefinition, other: &TypeDefinition) -> bool {
        let possible = |of: &TypeDefinition| self.possible_types.get(&of.name.node);
        match (possible(one), possible(other)) {
            (Some(one), Some(other)) => !one.is_disjoint(other),
            _ => false,
        }
    }
}

/// Returns the fields of an object or interface.
pub(super) fn fields_of(definition: &TypeDefinition) -> &[Positioned<FieldDefinition>] {
    match &definition.kind {
        TypeKind::Object(of) => &of.fields,
        TypeKind::Interface(of) => &of.fields,
        _ => &[],
    }
}

/// Returns the fields of an input object.
fn input_fields_of(definition: &TypeDefinition) -> &[Positioned<InputValueDefinition>] {
    match &definition.kind {
        TypeKind::InputObject(of) => &of.fields,
        _ => &[],
    }
}

/// Returns whether exactly one field of an input object must be given.
pub(super) fn is_one_of(definition: &TypeDefinition) -> bool {
    definition.directives.iter().any(|directive| directive.node.name.node == "oneOf")
}

/// Returns whether values of the type are selected from.
pub(super) fn is_composite(definition: &TypeDefinition) -> bool {
    matches!(definition.kind, TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_))
}

/// Returns whether an argument or input field must be given.
pub(super) fn is_required(definition: &InputValueDefinition) -> bool {
    !definition.ty.node.nullable && definition.default_value.is_none()
}

/// Returns the name in a type, without lists.
pub(super) fn base_type(mut of: &Type) -> &Name {
    loop {
        match &of.base {
            BaseType::Named(name) => return name,
            BaseType::List(inner) => of = inner,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema, Value};

    use super::*;

    struct Query;

    #[Object]
    impl Query {
        async fn hello(&self) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn introspection_types_are_those_of_the_library() {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let types = SchemaTypes::from_sdl(&schema.sdl()).unwrap();
        for of in ["__Schema", "__Type", "__Field", "__InputValue", "__EnumValue", "__Directive"] {
            let query = format!("{{ __type(name: \"{of}\") {{ fields {{ name }} }} }}");
            let Value::Object(data) = schema.execute(query).await.data else { panic!("{of}") };
            let fields = fields_of(types.get(of).unwrap());
            let names =
                fields.iter().map(|field| format!("{{name: \"{}\"}}", field.node.name.node));
            let mut names: Vec<_> = names.collect();
            let found = data["__type"].to_string();
            let found = found.trim_start_matches("{fields: [").trim_end_matches("]}").to_owned();
            let mut found: Vec<_> = found.split(", ").map(str::to_owned).collect();
            names.sort();
            found.sort();
            assert_eq!(names, found, "{of}");
        }
    }
}
