use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::ConnectionTrait;

/// Folds the Unicode form of the keys of usernames, besides their case. A user whose new key is that
/// of another one keeps the old key. The keys of emails stay the same, since emails are ASCII.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
    Username,
    UsernameKey,
}

/// Number of rows per statement.
const ROWS_PER_READ: u64 = 1000;

/// A user that keeps the old key.
struct Clash {
    id: i64,
    /// The user with the new key.
    other_id: i64,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for Clash { id, other_id } in replace_keys(manager, new_key).await? {
            tracing::warn!(
                user = id,
                other_user = other_id,
                "two users have the same username but for its Unicode form: the first one is found \
                 only in the form that the user registered with"
            );
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        replace_keys(manager, old_key).await.map(drop)
    }
}

// As of this migration: it must not change with the code of the services.
fn new_key(username: &str) -> String {
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    let folded = CaseMapper::new().fold_string(&nfkc.normalize(username)).into_owned();
    nfkc.normalize(&folded).into_owned()
}

fn old_key(username: &str) -> String {
    username.to_uppercase().to_lowercase()
}

/// Replaces the key of each user, and returns those whose new key is that of another one.
async fn replace_keys(
    manager: &SchemaManager<'_>,
    key_of: fn(&str) -> String,
) -> Result<Vec<Clash>, DbErr> {
    loop {
        let (replaced, clashes) = replace_keys_once(manager, key_of).await?;
        // A user who was replaced later may have had the key that an earlier one needs.
        if replaced == 0 || clashes.is_empty() {
            return Ok(clashes);
        }
    }
}

async fn replace_keys_once(
    manager: &SchemaManager<'_>,
    key_of: fn(&str) -> String,
) -> Result<(usize, Vec<Clash>), DbErr> {
    let database = manager.get_connection();
    let (mut replaced, mut clashes, mut last_id) = (0, Vec::new(), 0_i64);
    loop {
        let page = Query::select()
            .columns([Users::Id, Users::Username, Users::UsernameKey])
            .from(Users::Table)
            .and_where(Expr::col(Users::Id).gt(last_id))
            .order_by(Users::Id, Order::Asc)
            .limit(ROWS_PER_READ)
            .to_owned();
        let rows = database.query_all(&page).await?;
        if rows.is_empty() {
            return Ok((replaced, clashes));
        }
        for row in rows {
            let (id, username, key): (i64, String, String) =
                (row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            last_id = id;
            let new_key = key_of(&username);
            if new_key == key {
                continue;
            }
            let owner = Query::select()
                .column(Users::Id)
                .from(Users::Table)
                .and_where(Expr::col(Users::UsernameKey).eq(&new_key))
                .to_owned();
            if let Some(owner) = database.query_one(&owner).await? {
                clashes.push(Clash { id, other_id: owner.try_get_by_index(0)? });
                continue;
            }
            let update = Query::update()
                .table(Users::Table)
                .value(Users::UsernameKey, new_key)
                .and_where(Expr::col(Users::Id).eq(id))
                .to_owned();
            database.execute(&update).await?;
            replaced += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_services() {
        for c in '\0'..=char::MAX {
            let name = format!("a{c}");
            assert_eq!(new_key(&name), entity::lookup_key(&name), "{c:?}");
            assert_eq!(old_key(&name), entity::legacy_lookup_key(&name), "{c:?}");
        }
    }
}
