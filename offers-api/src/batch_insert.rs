//! Batched writes: one statement, and one commit, for many new offers.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_graphql::dataloader::Loader;
use chrono::{DateTime, SubsecRound, Utc};
use entity::offer;
use schema::{Error, Result, batch_loader::BatchResult};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseConnection, DbErr, EntityTrait, SqlErr};

use crate::{graphql::offers::no_user, loaders::OfferLoader};

/// The most rows of a statement: each number of them is a statement of its own, which every
/// connection keeps prepared.
const ROWS: usize = 32;

/// An offer that is to be created. Two that say the same are two offers.
#[derive(Clone)]
pub(crate) struct New {
    number: u64,
    user_id: i64,
    /// Title and text: keys are cloned.
    says: Arc<(String, String)>,
    created_at: DateTime<Utc>,
}

impl New {
    /// An offer of now.
    pub(crate) fn now(user_id: i64, title: String, text: String) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let says = Arc::new((title, text));
        Self { number, user_id, says, created_at: Utc::now().trunc_subsecs(6) }
    }

    fn row(&self) -> offer::ActiveModel {
        let Self { user_id, created_at, .. } = *self;
        let (title, text) = (*self.says).clone();
        offer::ActiveModel {
            user_id: Set(user_id),
            title: Set(title),
            text: Set(text),
            created_at: Set(created_at),
            ..Default::default()
        }
    }

    /// Whether this is the row of it, or of another that says the same, which is as good.
    fn became(&self, row: &offer::Model) -> bool {
        self.created_at == row.created_at
            && self.user_id == row.user_id
            && self.says.0 == row.title
            && self.says.1 == row.text
    }
}

impl PartialEq for New {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for New {}

impl Hash for New {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

/// Creates offers. Each gets an answer of its own: `USER_NOT_FOUND`, or what the database says.
impl Loader<New> for OfferLoader {
    type Value = Result<offer::Model>;
    type Error = Error;

    async fn load(&self, new: &[New]) -> BatchResult<New, Result<offer::Model>> {
        all(&self.0, new).await
    }
}

async fn all(database: &DatabaseConnection, new: &[New]) -> BatchResult<New, Result<offer::Model>> {
    let mut made = HashMap::with_capacity(new.len());
    for new in new.chunks(ROWS) {
        if let [new] = new {
            made.insert(new.clone(), alone(database, new).await);
            continue;
        }
        match together(database, new).await {
            Ok(rows) => made.extend(rows.into_iter().map(|(new, row)| (new, Ok(row)))),
            Err(error) if is_orphan(&error) => {
                // Whose user is missing, only a statement of its own tells.
                for new in new {
                    made.insert(new.clone(), alone(database, new).await);
                }
            }
            Err(error) => {
                let error = Error::from(error);
                made.extend(new.iter().map(|new| (new.clone(), Err(error.clone()))));
            }
        }
    }
    Ok(made)
}

async fn together(
    database: &DatabaseConnection,
    new: &[New],
) -> Result<Vec<(New, offer::Model)>, DbErr> {
    let rows = offer::Entity::insert_many(new.iter().map(New::row));
    let rows = rows.exec_with_returning(database).await?;
    let mut left: Vec<_> = new.iter().collect();
    // No database promises an order of what it returns.
    let paired = rows.into_iter().filter_map(|row| {
        let place = left.iter().position(|new| new.became(&row))?;
        Some((left.remove(place).clone(), row))
    });
    Ok(paired.collect())
}

async fn alone(database: &DatabaseConnection, new: &New) -> Result<offer::Model> {
    new.row()
        .insert(database)
        .await
        .map_err(|error| if is_orphan(&error) { no_user() } else { error.into() })
}

fn is_orphan(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_)))
}
