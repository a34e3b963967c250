//! Rows that are read as objects of the graph, and statements for many keys at once.

use std::marker::PhantomData;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoSimpleExpr, JoinType,
    QueryResult, QueryTrait, Select, TryGetable,
    sea_query::{Alias, CaseStatement, Expr, ExprTrait, Func, Query, SelectStatement},
};

/// An object whose fields are columns of one table, as `table_object!` defines it.
pub trait TableObject: Sized {
    /// The table.
    type Entity: EntityTrait;

    /// Returns the columns in the order of the fields.
    fn columns() -> Vec<Expr>;

    /// Reads the columns, the first of which is at `place`.
    ///
    /// # Errors
    /// Fails if the row has other columns.
    fn from_row(row: &QueryResult, place: usize) -> Result<Self, DbErr>;
}

/// Defines a `direct_json::object!` whose fields are columns of an entity with the same names. A field
/// of another shape is followed by a closure over its columns, which can use the columns of the fields
/// before. All other columns of the entity are listed as hidden, so that a new column is one or the
/// other.
///
/// Columns are read by their place, which costs less than by name: the one list gives the order in
/// which they are selected and the order in which they are read.
macro_rules! table_object {
    (
        $entity:ident hiding $($hidden:ident),*;
        $(#[$meta:meta])*
        pub struct $name:ident { $($fields:tt)+ }
    ) => {
        $crate::rows::table_object! {
            @columns [$entity hiding $($hidden),*; $(#[$meta])* $name] [] $($fields)+
        }
    };
    // Gives each field its columns, and the expression that makes it of them.
    (
        @columns $object:tt [$($done:tt)*]
        $(#[$meta:meta])* pub $field:ident: $type:ty, $($rest:tt)*
    ) => {
        $crate::rows::table_object! {
            @columns $object [$($done)* [$(#[$meta])* $field: $type = ($field) $field.into()]]
            $($rest)*
        }
    };
    (
        @columns $object:tt [$($done:tt)*]
        $(#[$meta:meta])* pub $field:ident: $type:ty = |$($column:ident),+| $value:expr,
        $($rest:tt)*
    ) => {
        $crate::rows::table_object! {
            @columns $object [$($done)* [$(#[$meta])* $field: $type = ($($column)+) $value]]
            $($rest)*
        }
    };
    (
        @columns [$entity:ident hiding $($hidden:ident),*; $(#[$meta:meta])* $name:ident]
        [$([$(#[$field_meta:meta])* $field:ident: $type:ty = ($($column:ident)+) $value:expr])+]
    ) => {
        direct_json::object! {
            #[derive(
                Clone, Debug, async_graphql::SimpleObject, serde::Deserialize, serde::Serialize,
                utoipa::ToSchema,
            )]
            #[serde(rename_all(deserialize = "camelCase"))]
            $(#[$meta])*
            pub struct $name {
                $($(#[$field_meta])* pub $field: $type,)+
            }
        }

        impl From<entity::$entity::Model> for $name {
            fn from(row: entity::$entity::Model) -> Self {
                // Does not compile if a column is neither a field nor hidden: list it, never add `..`.
                let entity::$entity::Model { $($($column,)+)+ $($hidden: _,)* } = row;
                Self { $($field: $value,)+ }
            }
        }

        impl $crate::rows::TableObject for $name {
            type Entity = entity::$entity::Entity;

            fn columns() -> Vec<sea_orm::sea_query::Expr> {
                let columns = entity::$entity::COLUMN;
                vec![$($(sea_orm::IntoSimpleExpr::into_simple_expr(columns.$column),)+)+]
            }

            fn from_row(row: &sea_orm::QueryResult, place: usize) -> Result<Self, sea_orm::DbErr> {
                let mut places = place..;
                $($(let $column = $crate::rows::read_column(
                    |row: entity::$entity::Model| row.$column, row, &mut places,
                )?;)+)+
                Ok(Self { $($field: $value,)+ })
            }
        }
    };
}

pub(crate) use table_object;

/// Reads the next column as the type that the entity has for it.
pub(crate) fn read_column<M, C: TryGetable>(
    _: fn(M) -> C,
    row: &QueryResult,
    places: &mut impl Iterator<Item = usize>,
) -> Result<C, DbErr> {
    row.try_get_by_index(places.next().unwrap_or_default())
}

/// A statement that selects the columns of `T`.
#[derive(Debug)]
pub struct SelectRows<T> {
    statement: SelectStatement,
    row: PhantomData<fn() -> T>,
}

impl<T: TableObject> SelectRows<T> {
    /// Selects the columns of `T` from `rows`.
    #[must_use]
    pub fn new(rows: Select<T::Entity>) -> Self {
        let mut statement = rows.into_query();
        statement.clear_selects().exprs(T::columns());
        Self { statement, row: PhantomData }
    }

    /// Selects `rows` for each of `keys`, with one look into the index per key. `rows` is to
    /// compare a column with [`lateral_key`]. PostgreSQL only, which receives the keys as one array.
    #[must_use]
    pub fn lateral(keys: Vec<i64>, rows: Select<T::Entity>) -> Self {
        let mut statement = Query::select();
        statement
            .from_function(Func::cust("unnest").arg(keys), key_alias())
            .join_lateral(
                JoinType::InnerJoin,
                rows.into_query(),
                T::Entity::default(),
                Condition::all(),
            )
            .exprs(T::columns());
        Self { statement, row: PhantomData }
    }

    /// Loads the rows.
    ///
    /// # Errors
    /// Fails if the database does.
    pub async fn all(self, database: &impl ConnectionTrait) -> Result<Vec<T>, DbErr> {
        let rows = database.query_all(&self.statement).await?;
        rows.iter().map(|row| T::from_row(row, 0)).collect()
    }

    /// Loads at most `max_rows` rows, each with the bytes of a text column. A text of more than
    /// `max_bytes` is not read and empty: PostgreSQL knows its size without reading it, SQLite
    /// without holding it.
    ///
    /// # Errors
    /// Fails if the database does.
    pub async fn all_with_bytes(
        mut self,
        text: impl ColumnTrait,
        max_bytes: usize,
        max_rows: u64,
        database: &impl ConnectionTrait,
    ) -> Result<Vec<(T, usize)>, DbErr> {
        let text = text.into_simple_expr();
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        let bytes = Expr::from(Func::cust("octet_length").arg(text.clone()));
        let short = CaseStatement::new().case(bytes.clone().lte(max_bytes), text.clone());
        let short: Expr = short.finally(Expr::val("")).into();
        let columns = T::columns().into_iter();
        let columns = columns.map(|column| if column == text { short.clone() } else { column });
        self.statement.clear_selects().exprs(columns).expr(bytes).limit(max_rows);
        let rows = database.query_all(&self.statement).await?;
        let bytes_place = T::columns().len();
        let read = |row: QueryResult| {
            let bytes: i32 = row.try_get_by_index(bytes_place)?;
            Ok((T::from_row(&row, 0)?, usize::try_from(bytes).unwrap_or_default()))
        };
        rows.into_iter().map(read).collect()
    }

    /// Loads the rows of [`Self::lateral`], each with its key.
    ///
    /// # Errors
    /// Fails if the database does.
    pub async fn all_with_key(
        mut self,
        database: &impl ConnectionTrait,
    ) -> Result<Vec<(i64, T)>, DbErr> {
        let key_place = T::columns().len();
        self.statement.expr(lateral_key());
        let rows = database.query_all(&self.statement).await?;
        let read = |row: &QueryResult| Ok((row.try_get_by_index(key_place)?, T::from_row(row, 0)?));
        rows.iter().map(read).collect()
    }
}

/// Returns the key that a [lateral](SelectRows::lateral) row belongs to.
#[must_use]
pub fn lateral_key() -> Expr {
    Expr::col((key_alias(), key_alias()))
}

fn key_alias() -> Alias {
    Alias::new("key")
}

/// Repeats the last key up to a power of two: a database keeps a plan for each number of keys.
#[must_use]
pub fn pad_to_power_of_two<K: Clone>(mut keys: Vec<K>) -> Vec<K> {
    if let Some(last) = keys.last().cloned() {
        keys.resize(keys.len().next_power_of_two(), last);
    }
    keys
}
