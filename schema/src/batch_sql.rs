//! Statements for many keys at once.

use sea_orm::{
    Condition, EntityTrait, JoinType, QueryTrait, Select,
    sea_query::{Alias, Expr, Func, Query, SelectStatement},
};

/// Repeats the last key up to a power of two: a database keeps a plan for each length it sees.
#[must_use]
pub fn pad_to_power_of_two<K: Clone>(mut keys: Vec<K>) -> Vec<K> {
    if let Some(last) = keys.last().cloned() {
        keys.resize(keys.len().next_power_of_two(), last);
    }
    keys
}

/// The key that [`lateral_join`] is at.
#[must_use]
pub fn lateral_key() -> Expr {
    Expr::col((key_alias(), key_alias()))
}

/// The rows for each of the keys, by a look into the index for each; the columns are to be named.
/// PostgreSQL alone can do so, and takes the keys as one array.
#[must_use]
pub fn lateral_join<E: EntityTrait>(keys: Vec<i64>, rows: Select<E>) -> SelectStatement {
    let mut each = Query::select();
    each.from_function(Func::cust("unnest").arg(keys), key_alias()).join_lateral(
        JoinType::InnerJoin,
        rows.into_query(),
        E::default(),
        Condition::all(),
    );
    each
}

fn key_alias() -> Alias {
    Alias::new("key")
}
