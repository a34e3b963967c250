//! Batched inserts: one statement, and one commit, for many new offers.

use std::{collections::HashMap, slice};

use async_graphql::dataloader::Loader;
use entity::{begin_write, offer};
use schema::{Error, Offer, Result, batch_loader::BatchResult, db_availability::retry_on_conflict};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, SqlErr};

use crate::{
    loaders::OfferLoader,
    offers::{NewOffer, user_not_found},
};

/// Maximum number of rows of a statement. Each connection keeps a prepared statement for each number
/// of rows.
const MAX_ROWS_PER_INSERT: usize = 32;

/// Creates offers. Each has a result of its own: `USER_NOT_FOUND`, or the error of the database.
impl Loader<NewOffer> for OfferLoader {
    type Value = Result<Offer>;
    type Error = Error;

    async fn load(&self, new: &[NewOffer]) -> BatchResult<NewOffer, Result<Offer>> {
        let mut created = HashMap::with_capacity(new.len());
        for new in new.chunks(MAX_ROWS_PER_INSERT) {
            created.extend(insert(&self.0, new).await);
        }
        Ok(created)
    }
}

async fn insert(database: &DatabaseConnection, new: &[NewOffer]) -> Vec<(NewOffer, Result<Offer>)> {
    if new.len() > 1 {
        match retry_on_conflict(|| insert_rows(database, new)).await {
            Ok(offers) => return offers.into_iter().map(|(new, offer)| (new, Ok(offer))).collect(),
            // Only a statement of its own shows whose user is missing.
            Err(error) if is_foreign_key_violation(&error) => (),
            Err(error) => {
                let error = Error::from(error);
                return new.iter().map(|new| (new.clone(), Err(error.clone()))).collect();
            }
        }
    }
    let mut created = Vec::with_capacity(new.len());
    for new in new {
        created.push((new.clone(), insert_one(database, new).await));
    }
    created
}

async fn insert_one(database: &DatabaseConnection, new: &NewOffer) -> Result<Offer> {
    match retry_on_conflict(|| insert_rows(database, slice::from_ref(new))).await {
        Ok(offers) => {
            let offer = offers.into_iter().next().map(|(_, offer)| offer);
            offer.ok_or_else(|| Error::internal("the database did not return a new offer"))
        }
        Err(error) if is_foreign_key_violation(&error) => Err(user_not_found()),
        Err(error) => Err(error.into()),
    }
}

/// Inserts offers by one statement, on SQLite within a transaction. There, a statement of its own
/// that fails once a trigger has written to an FTS5 table leaves its connection with the database of
/// that moment: its next read returns old rows, and its next write fails
/// (`migration/tests/search_triggers.rs`).
async fn insert_rows(
    database: &DatabaseConnection,
    new: &[NewOffer],
) -> Result<Vec<(NewOffer, Offer)>, DbErr> {
    if database.get_database_backend() != DbBackend::Sqlite {
        return insert_many(database, new).await;
    }
    let transaction = begin_write(database).await?;
    let offers = insert_many(&transaction, new).await?;
    transaction.commit().await?;
    Ok(offers)
}

async fn insert_many(
    database: &impl ConnectionTrait,
    new: &[NewOffer],
) -> Result<Vec<(NewOffer, Offer)>, DbErr> {
    let rows = offer::Entity::insert_many(new.iter().map(NewOffer::row));
    let rows = rows.exec_with_returning(database).await?;
    let mut unmatched: Vec<_> = new.iter().collect();
    // The databases return rows in no defined order.
    let matched = rows.into_iter().filter_map(|row| {
        let index = unmatched.iter().position(|new| new.matches(&row))?;
        Some((unmatched.remove(index).clone(), row.into()))
    });
    Ok(matched.collect())
}

fn is_foreign_key_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_)))
}
