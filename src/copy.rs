//! Copies every row to another database, such as from SQLite to PostgreSQL.

use clap::Args;
use entity::{offer, refresh_token, user};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, ConnectOptions, ConnectionTrait, Database,
    DatabaseConnection, DbBackend, DbErr, EntityTrait, FromQueryResult, IntoActiveModel,
    sea_query::{Expr, Func, Query},
};
use server::{database, metrics::Metrics, output, settings::Settings};

/// Number of rows per statement: SQLite accepts 32766 values in one.
const ROWS_PER_INSERT: u64 = 2000;

/// The arguments of `copy`.
#[derive(Args)]
pub(crate) struct CopyArgs {
    /// URL of the target database: `postgres://…` or `sqlite://…`
    #[arg(long, value_name = "URL")]
    to: String,
}

/// Copies every row, and creates the tables if there are none.
pub(crate) async fn run(settings: &Settings, arguments: &CopyArgs) -> Result<(), String> {
    let with_setting_name = |error| format!("DATABASE_URL: {error}");
    let from = database::connect(settings, &Metrics::default()).await.map_err(with_setting_name)?;
    copy(&from, &arguments.to)
        .await
        .map_err(|error| format!("--to: {}", database::redact_url(&error, &arguments.to)))
}

async fn copy(from: &DatabaseConnection, to: &str) -> Result<(), DbErr> {
    let mut options = ConnectOptions::new(to);
    options.sqlx_logging(false);
    let to = Database::connect(options).await?;
    migration::up(&to).await?;
    if user::Entity::find().one(&to).await?.is_some() {
        return Err(DbErr::Custom("must be empty, and there are users in it".to_owned()));
    }
    // Users first: the others refer to them.
    let users = copy_table::<user::Entity, _>(from, &to, user::Column::Id).await?;
    let offers = copy_table::<offer::Entity, _>(from, &to, offer::Column::Id).await?;
    let sessions =
        copy_table::<refresh_token::Entity, _>(from, &to, refresh_token::Column::Id).await?;
    if to.get_database_backend() == DbBackend::Postgres {
        reset_sequence::<user::Entity>(&to, "users", user::Column::Id).await?;
        reset_sequence::<offer::Entity>(&to, "offers", offer::Column::Id).await?;
    }
    output::print_line(format_args!("copied {users} users, {offers} offers, {sessions} sessions"));
    Ok(())
}

/// Copies a table in pages, in the order of its key. Returns the number of rows.
async fn copy_table<E, A>(
    from: &DatabaseConnection,
    to: &DatabaseConnection,
    key: E::Column,
) -> Result<usize, DbErr>
where
    E: EntityTrait<ActiveModel = A>,
    E::Model: FromQueryResult + IntoActiveModel<A> + Sync,
    A: ActiveModelTrait<Entity = E> + ActiveModelBehavior + Send,
{
    let mut copied = 0;
    let mut last = None;
    loop {
        let mut page = E::find().cursor_by(key);
        if let Some(last) = last.take() {
            let last: sea_orm::Value = last;
            page.after(last);
        }
        let rows = page.first(ROWS_PER_INSERT).all(from).await?;
        let Some(end) = rows.last().cloned() else { return Ok(copied) };
        last = end.into_active_model().get(key).into_value();
        copied += rows.len();
        let rows = rows.into_iter().map(|row| row.into_active_model().reset_all());
        E::insert_many(rows).exec_without_returning(to).await?;
    }
}

/// Sets the ID sequence of PostgreSQL to the highest copied ID.
async fn reset_sequence<E: EntityTrait>(
    to: &DatabaseConnection,
    name: &str,
    key: E::Column,
) -> Result<(), DbErr> {
    let sequence = Func::cust("pg_get_serial_sequence").args([Expr::val(name), Expr::val("id")]);
    let highest = Func::coalesce([key.max(), Expr::val(1_i64)]);
    let set = Func::cust("setval").args([sequence.into(), highest.into()]);
    let mut select = Query::select();
    select.expr(set).from(E::default());
    to.query_one(&select).await.map(drop)
}
