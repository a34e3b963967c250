use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The indexes for lists of offers in each order, and the full-text search.
///
/// PostgreSQL builds them while rows are written, and so without a transaction. An interrupted run
/// leaves an index that is not valid, which the next run replaces.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The name of each index and what it is of.
const INDEXES: [(&str, &str); 4] = [
    // Lists by id. `0 - id` and not `id`, so that PostgreSQL does not scan the primary key instead
    // and reads every offer if few have the status or the currency.
    ("offers_status_newest_idx", "(status, (0 - id))"),
    // With the price, so that a range of prices is compared without reading offers.
    ("offers_status_currency_newest_idx", "(status, price_currency, (0 - id), price_amount)"),
    // Lists by price, and ranges of prices.
    ("offers_status_currency_price_idx", "(status, price_currency, price_amount, id)"),
    // The same for the offers of a user. Those by id have an index.
    ("offers_user_id_currency_price_idx", "(user_id, price_currency, price_amount, id)"),
];

/// The index of the full-text search in PostgreSQL. New entries wait in a list that every search
/// reads, so the list is kept short.
const SEARCH_INDEX: (&str, &str) = (
    "offers_search_idx",
    "USING gin (to_tsvector('russian', title || ' ' || text)) WITH (gin_pending_list_limit = 1024)",
);

/// The full-text search of SQLite. The table has no text of its own; triggers keep it, also when
/// offers are deleted with their user. It ranks nothing, so it needs no sizes of columns.
const SQLITE_SEARCH: [&str; 5] = [
    "CREATE VIRTUAL TABLE offers_search USING fts5 (title, text, content = 'offers', \
     content_rowid = 'id', columnsize = 0, tokenize = 'unicode61')",
    "INSERT INTO offers_search (offers_search) VALUES ('rebuild')",
    "CREATE TRIGGER offers_search_insert AFTER INSERT ON offers BEGIN \
     INSERT INTO offers_search (rowid, title, text) VALUES (new.id, new.title, new.text); END",
    "CREATE TRIGGER offers_search_delete AFTER DELETE ON offers BEGIN \
     INSERT INTO offers_search (offers_search, rowid, title, text) \
     VALUES ('delete', old.id, old.title, old.text); END",
    "CREATE TRIGGER offers_search_update AFTER UPDATE OF title, text ON offers BEGIN \
     INSERT INTO offers_search (offers_search, rowid, title, text) \
     VALUES ('delete', old.id, old.title, old.text); \
     INSERT INTO offers_search (rowid, title, text) VALUES (new.id, new.title, new.text); END",
];

#[async_trait::async_trait]
#[allow(clippy::disallowed_methods, reason = "raw SQL is allowed in migrations")]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let is_postgres = db.get_database_backend() == DbBackend::Postgres;
        let concurrently = if is_postgres { "CONCURRENTLY" } else { "" };
        for (name, columns) in INDEXES.into_iter().chain(is_postgres.then_some(SEARCH_INDEX)) {
            drop_index(db, name).await?;
            let create = format!("CREATE INDEX {concurrently} {name} ON offers {columns}");
            db.execute_unprepared(&create).await?;
        }
        if !is_postgres {
            for statement in SQLITE_SEARCH {
                db.execute_unprepared(statement).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        if db.get_database_backend() == DbBackend::Postgres {
            drop_index(db, SEARCH_INDEX.0).await?;
        } else {
            drop_sqlite_search(db).await?;
        }
        for (name, _) in INDEXES {
            drop_index(db, name).await?;
        }
        Ok(())
    }
}

#[allow(clippy::disallowed_methods, reason = "raw SQL is allowed in migrations")]
async fn drop_index(db: &SchemaManagerConnection<'_>, name: &str) -> Result<(), DbErr> {
    let is_postgres = db.get_database_backend() == DbBackend::Postgres;
    let concurrently = if is_postgres { "CONCURRENTLY" } else { "" };
    db.execute_unprepared(&format!("DROP INDEX {concurrently} IF EXISTS {name}")).await.map(drop)
}

/// Drops the full-text search of SQLite, if there is one.
#[allow(clippy::disallowed_methods, reason = "raw SQL is allowed in migrations")]
pub(crate) async fn drop_sqlite_search(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    for event in ["insert", "delete", "update"] {
        db.execute_unprepared(&format!("DROP TRIGGER IF EXISTS offers_search_{event}")).await?;
    }
    db.execute_unprepared("DROP TABLE IF EXISTS offers_search").await.map(drop)
}
