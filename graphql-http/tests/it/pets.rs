//! The schema of the examples in section 5 of the GraphQL specification.
#![allow(clippy::unused_async, reason = "the macros need async functions")]

use async_graphql::{
    Enum, ID, InputObject, Interface, Object, OneofObject, Schema, SchemaBuilder, Subscription,
    Union,
};
use futures_util::{Stream, stream};

pub(crate) fn build() -> SchemaBuilder<Query, Mutation, Subscriptions> {
    Schema::build(Query, Mutation, Subscriptions).register_output_type::<Sentient>()
}

#[derive(Clone, Copy, Enum, Eq, PartialEq)]
enum DogCommand {
    Sit,
    Down,
    Heel,
}

#[derive(Clone, Copy, Enum, Eq, PartialEq)]
enum CatCommand {
    Jump,
}

pub(crate) struct Dog;

#[Object]
impl Dog {
    async fn name(&self) -> &str {
        "Rex"
    }

    async fn nickname(&self) -> Option<&str> {
        None
    }

    async fn bark_volume(&self) -> Option<i32> {
        None
    }

    async fn does_know_command(&self, dog_command: DogCommand) -> bool {
        dog_command == DogCommand::Sit
    }

    async fn is_house_trained(&self, at_other_homes: Option<bool>) -> bool {
        at_other_homes.unwrap_or(true)
    }

    async fn owner(&self) -> Option<Human> {
        None
    }
}

pub(crate) struct Cat;

#[Object]
impl Cat {
    async fn name(&self) -> &str {
        "Tom"
    }

    async fn nickname(&self) -> Option<&str> {
        None
    }

    async fn meow_volume(&self) -> Option<i32> {
        None
    }

    async fn does_know_command(&self, cat_command: CatCommand) -> bool {
        cat_command == CatCommand::Jump
    }
}

pub(crate) struct Human;

#[Object]
impl Human {
    async fn name(&self) -> &str {
        "Ann"
    }

    async fn pets(&self) -> Vec<Pet> {
        vec![Pet::Dog(Dog), Pet::Cat(Cat)]
    }
}

#[derive(Interface)]
#[graphql(field(name = "name", ty = "&str"))]
pub(crate) enum Pet {
    Dog(Dog),
    Cat(Cat),
}

#[derive(Interface)]
#[graphql(field(name = "name", ty = "&str"))]
pub(crate) enum Sentient {
    Human(Human),
}

#[derive(Union)]
pub(crate) enum CatOrDog {
    Cat(Cat),
    Dog(Dog),
}

#[derive(InputObject)]
struct FindDogInput {
    name: Option<String>,
    owner: Option<String>,
}

#[derive(OneofObject)]
enum PetInput {
    Cat(String),
    Dog(String),
}

pub(crate) struct Query;

#[Object]
impl Query {
    async fn dog(&self) -> Option<Dog> {
        Some(Dog)
    }

    async fn human(&self) -> Option<Human> {
        Some(Human)
    }

    async fn pet(&self) -> Option<Pet> {
        Some(Pet::Cat(Cat))
    }

    async fn cat_or_dog(&self) -> Option<CatOrDog> {
        Some(CatOrDog::Cat(Cat))
    }

    async fn find_dog(&self, search_by: Option<FindDogInput>) -> Option<Dog> {
        search_by.filter(|by| by.name.is_some() && by.owner.is_some()).map(|_| Dog)
    }

    async fn find_pet(&self, input: PetInput) -> String {
        match input {
            PetInput::Cat(name) | PetInput::Dog(name) => name,
        }
    }

    async fn boolean_list(&self, boolean_list_arg: Option<Vec<bool>>) -> Option<bool> {
        boolean_list_arg.map(|list| list.is_empty())
    }

    async fn multiple_requirements(&self, x: i32, y: i32) -> i32 {
        x - y
    }

    async fn text(&self, value: Option<String>) -> Option<String> {
        value
    }

    async fn number(&self, int: Option<i32>, float: Option<f64>) -> Option<f64> {
        float.or(int.map(f64::from))
    }

    async fn id(&self, value: Option<ID>) -> Option<ID> {
        value
    }

    async fn flag(&self, required: bool, #[graphql(default = true)] optional: bool) -> bool {
        required && optional
    }
}

pub(crate) struct Mutation;

#[Object]
impl Mutation {
    async fn rename(&self, name: String) -> Option<Dog> {
        (name == "Rex").then_some(Dog)
    }
}

pub(crate) struct Subscriptions;

#[Subscription]
impl Subscriptions {
    async fn new_message(&self) -> impl Stream<Item = bool> {
        stream::iter([true])
    }

    async fn other(&self) -> impl Stream<Item = bool> {
        stream::iter([true])
    }
}
