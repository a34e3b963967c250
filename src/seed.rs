//! Demo data, inserted in bulk.

use std::collections::HashMap;

use chrono::{DateTime, SubsecRound, Utc};
use clap::Args;
use entity::{PasswordHash, lookup_key, offer, user};
use indicatif::{ProgressBar, ProgressStyle};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::OnConflict,
};
use server::{database, metrics::Metrics, output, settings::Settings};

/// The password of every demo user.
const PASSWORD: &str = "demo";
/// Number of users per statement. Two more statements find the offers that they lack.
const USERS_PER_INSERT: u32 = 500;
/// Number of offers per statement: SQLite accepts 32766 values in one.
const OFFERS_PER_INSERT: usize = 5000;

/// The amount of demo data.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Number of users
    #[arg(long, default_value_t = 10)]
    users: u32,
    /// Number of offers of each user
    #[arg(long, default_value_t = 5)]
    offers: u32,
}

/// Inserts the users and offers that are missing.
pub(crate) async fn run(settings: &Settings, arguments: &Arguments) -> Result<(), String> {
    let with_setting_name = |error| format!("DATABASE_URL: {error}");
    let database = database::connect(settings, &Metrics::default()).await?;
    // One hash for all users: each costs 20 ms.
    let hash = users_api::demo_hash(PASSWORD).map_err(|error| error.detail.into_owned())?;
    let bar = ProgressBar::new(arguments.users.into()).with_style(style());
    let now = Utc::now().trunc_subsecs(6);
    let mut first = 1;
    while first <= arguments.users {
        let last = arguments.users.min(first.saturating_add(USERS_PER_INSERT - 1));
        let ids = users(&database, first..=last, &hash, now).await.map_err(with_setting_name)?;
        offers(&database, ids, arguments.offers, now).await.map_err(with_setting_name)?;
        bar.inc(u64::from(last - first + 1));
        first = last.saturating_add(1);
        if last == u32::MAX {
            break;
        }
    }
    bar.finish();
    let Arguments { users, offers } = arguments;
    output::print_line(format_args!(
        "{users} users with {offers} offers each: log in as demo1, password {PASSWORD}"
    ));
    Ok(())
}

fn style() -> ProgressStyle {
    let template = "{bar:40} {pos}/{len} users, {per_sec}, {eta} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

async fn users(
    database: &DatabaseConnection,
    numbers: impl Iterator<Item = u32>,
    hash: &PasswordHash,
    now: DateTime<Utc>,
) -> Result<Vec<i64>, DbErr> {
    let names: Vec<_> = numbers.map(|number| format!("demo{number}")).collect();
    insert_users(database, &names, hash, now, true).await?;
    let found = find_users(database, &names).await?;
    if found.len() == names.len() {
        return Ok(found.into_values().collect());
    }
    // Another user has the email of a demo user.
    let missing: Vec<_> = names.iter().filter(|name| !found.contains_key(*name)).cloned().collect();
    insert_users(database, &missing, hash, now, false).await?;
    output::print_line(format_args!(
        "{}: without an email, which another user has",
        missing.join(", ")
    ));
    Ok(find_users(database, &names).await?.into_values().collect())
}

/// Inserts the users that are missing.
async fn insert_users(
    database: &DatabaseConnection,
    names: &[String],
    hash: &PasswordHash,
    now: DateTime<Utc>,
    with_email: bool,
) -> Result<(), DbErr> {
    let rows = names.iter().map(|name| {
        let email = with_email.then(|| format!("{name}@example.org"));
        user::ActiveModel {
            id: NotSet,
            username: Set(name.clone()),
            username_key: Set(lookup_key(name)),
            email_key: Set(email.as_deref().map(lookup_key)),
            email: Set(email),
            password_hash: Set(hash.clone()),
            created_at: Set(now),
        }
    });
    user::Entity::insert_many(rows)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(database)
        .await
        .map(drop)
}

/// Returns the IDs of the users by the keys of their names.
async fn find_users(
    database: &DatabaseConnection,
    keys: &[String],
) -> Result<HashMap<String, i64>, DbErr> {
    let rows: Vec<(String, i64)> = user::Entity::find()
        .select_only()
        .columns([user::Column::UsernameKey, user::Column::Id])
        .filter(user::Column::UsernameKey.is_in(keys))
        .into_tuple()
        .all(database)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Inserts the offers that each user lacks.
async fn offers(
    database: &DatabaseConnection,
    users: Vec<i64>,
    each: u32,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let counted: Vec<(i64, i64)> = offer::Entity::find()
        .select_only()
        .column(offer::Column::UserId)
        .column_as(offer::Column::Id.count(), "offers")
        .filter(offer::Column::UserId.is_in(users.clone()))
        .group_by(offer::Column::UserId)
        .into_tuple()
        .all(database)
        .await?;
    let counted: HashMap<_, _> = counted.into_iter().collect();
    let missing = users.into_iter().flat_map(|user| {
        let there = counted.get(&user).copied().unwrap_or_default();
        (there + 1..=i64::from(each)).map(move |number| (user, number))
    });
    let mut rows = missing.map(|(user, number)| offer::ActiveModel {
        id: NotSet,
        user_id: Set(user),
        title: Set(format!("Offer {number}")),
        text: Set(format!("Something that user {user} no longer needs, number {number}.")),
        created_at: Set(now),
        price_amount: NotSet,
        price_currency: NotSet,
        status: NotSet,
        updated_at: NotSet,
    });
    loop {
        let chunk: Vec<_> = rows.by_ref().take(OFFERS_PER_INSERT).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        offer::Entity::insert_many(chunk).exec_without_returning(database).await?;
    }
}
