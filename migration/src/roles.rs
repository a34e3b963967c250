//! The roles that the services log in as on PostgreSQL, each with the rights that its statements need.

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};

use crate::begin_locked;

/// Role names; a service without one logs in as the owner of the tables.
#[derive(Debug, Default, clap::Args)]
pub struct Roles {
    /// PostgreSQL role of users-api, which is granted what it needs
    #[arg(long, env, global = true, value_name = "ROLE")]
    pub users_role: Option<String>,
    /// PostgreSQL role of offers-api, which is granted what it needs
    #[arg(long, env, global = true, value_name = "ROLE")]
    pub offers_role: Option<String>,
}

/// Rights of users-api. Offers are deleted with their user in the name of the owner of the tables, as
/// every action of a foreign key.
const USERS_RIGHTS: &[&str] =
    &["SELECT, INSERT, UPDATE, DELETE ON users, refresh_tokens, write_probes"];
/// Rights of offers-api, which reads no password hash, email or session. New tables are to be added
/// to one of these lists, new columns belong to their table.
const OFFERS_RIGHTS: &[&str] = &[
    "SELECT, INSERT, UPDATE, DELETE ON offers, idempotency_keys, write_probes",
    "SELECT (id) ON users",
];

impl Roles {
    /// Gives each role exactly its rights on the tables; does nothing on SQLite.
    ///
    /// # Errors
    /// The error of the database, such as for an unknown role. No right is changed then.
    #[allow(clippy::disallowed_methods, reason = "raw SQL is allowed in migrations")]
    pub async fn grant(&self, db: &DatabaseConnection) -> Result<(), DbErr> {
        if db.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let transaction = begin_locked(db).await?;
        for (role, rights) in [(&self.users_role, USERS_RIGHTS), (&self.offers_role, OFFERS_RIGHTS)]
        {
            let Some(role) = role else { continue };
            let role = format!("\"{}\"", role.replace('"', "\"\""));
            let revoke = format!("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}");
            transaction.execute_unprepared(&revoke).await?;
            for rights in rights {
                transaction.execute_unprepared(&format!("GRANT {rights} TO {role}")).await?;
            }
        }
        transaction.commit().await
    }
}
