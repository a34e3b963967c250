//! Demo data, inserted in bulk.

use std::collections::HashMap;

use chrono::{DateTime, SubsecRound, Utc};
use clap::Args;
use entity::{
    PasswordHash, lookup_key,
    offer::{self, Status},
    user,
};
use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::OnConflict,
};
use server::{database, metrics::Metrics, output, settings::Settings};

use crate::demo_words::{ADJECTIVES, CITIES, CONDITIONS, ITEMS, REASONS, REMARKS};

/// The password of every demo user.
const PASSWORD: &str = "demo";
/// Number of users per statement. Two more statements find the offers that they lack.
const USERS_PER_INSERT: u32 = 500;
/// Number of offers per statement: SQLite accepts 32766 values in one, and an offer has 7.
const OFFERS_PER_INSERT: usize = 4500;
/// The currencies of demo prices, and their worth of 1 EUR, roughly.
const CURRENCIES: [(&str, i64); 3] = [("EUR", 1), ("USD", 1), ("RUB", 100)];

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
        offers(&database, first, ids, arguments.offers, now).await.map_err(with_setting_name)?;
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

/// Inserts the users that are missing. Returns the IDs of all, in the order of their numbers.
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
        return Ok(in_order(&names, &found));
    }
    // Another user has the email of a demo user.
    let missing: Vec<_> = names.iter().filter(|name| !found.contains_key(*name)).cloned().collect();
    insert_users(database, &missing, hash, now, false).await?;
    output::print_line(format_args!(
        "{}: without an email, which another user has",
        missing.join(", ")
    ));
    Ok(in_order(&names, &find_users(database, &names).await?))
}

fn in_order(names: &[String], ids: &HashMap<String, i64>) -> Vec<i64> {
    names.iter().filter_map(|name| ids.get(name).copied()).collect()
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

/// Inserts the offers that each user lacks. The numbers of the users begin at `first`.
async fn offers(
    database: &DatabaseConnection,
    first: u32,
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
    let mut rows = (first..=u32::MAX).zip(users).flat_map(|(user, user_id)| {
        let there = counted.get(&user_id).copied().unwrap_or_default();
        (there + 1..=i64::from(each)).map(move |number| demo_offer(user, user_id, number, now))
    });
    loop {
        let chunk: Vec<_> = rows.by_ref().take(OFFERS_PER_INSERT).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        offer::Entity::insert_many(chunk).exec_without_returning(database).await?;
    }
}

/// Creates an offer of a user. Its words, price and status depend on the two numbers only.
fn demo_offer(user: u32, user_id: i64, number: i64, now: DateTime<Utc>) -> offer::ActiveModel {
    let rng = &mut Rng::with_seed((u64::from(user) << 32) | number.unsigned_abs());
    let (english_item, russian_item, ending, euros) = pick(rng, &ITEMS);
    let (adjective, condition) = (pick(rng, &ADJECTIVES), pick(rng, &CONDITIONS));
    let (reason, remark, city) = (pick(rng, &REASONS), pick(rng, &REMARKS), pick(rng, &CITIES));
    let (title, text) = if rng.bool() {
        (
            format!("{} {english_item}, {}", adjective.0, condition.0),
            format!("{} {} Pick it up in {}.", reason.0, remark.0, city.0),
        )
    } else {
        (
            format!("{}{ending} {russian_item}, {}", adjective.1, condition.1),
            format!("{} {} Самовывоз: {}.", reason.1, remark.1, city.1),
        )
    };
    let (code, worth) = pick(rng, &CURRENCIES);
    let has_price = rng.u8(..8) > 0;
    let currency = code.parse().ok().filter(|_| has_price);
    let percent = rng.i64(60..=140);
    let status = if rng.u8(..6) > 0 { Status::Open } else { Status::Closed };
    offer::ActiveModel {
        id: NotSet,
        user_id: Set(user_id),
        title: Set(title),
        text: Set(text),
        created_at: Set(now),
        // Percents of a whole unit are minor units.
        price_amount: Set(currency.map(|_| euros * worth * percent)),
        price_currency: Set(currency),
        status: Set(status),
        updated_at: NotSet,
    }
}

fn pick<T: Copy>(rng: &mut Rng, list: &[T]) -> T {
    list[rng.usize(..list.len())]
}
