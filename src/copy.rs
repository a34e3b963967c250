//! Copies every row to another database, such as from SQLite to PostgreSQL.

use clap::Args;
use entity::{idempotency_key, offer, refresh_token, user};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, ConnectionTrait, Database,
    DatabaseConnection, DbBackend, DbErr, DeriveIden, EntityTrait, FromQueryResult,
    IntoActiveModel, IntoIdentity, QuerySelect,
    sea_query::{Expr, ExprTrait, Func, Query, ValueTuple},
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
    let from = database::connect(settings, &Metrics::default()).await?;
    copy(&from, &arguments.to).await.map_err(|error| format!("--to: {error}"))
}

async fn copy(from: &DatabaseConnection, to: &str) -> Result<(), DbErr> {
    let (mut options, _) = database::connect_options(to).map_err(DbErr::Custom)?;
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
    let keys = (idempotency_key::Column::UserId, idempotency_key::Column::Key);
    copy_table::<idempotency_key::Entity, _>(from, &to, keys).await?;
    copy_last_id::<user::Entity>(from, &to, user::Column::Id).await?;
    copy_last_id::<offer::Entity>(from, &to, offer::Column::Id).await?;
    output::print_line(format_args!("copied {users} users, {offers} offers, {sessions} sessions"));
    Ok(())
}

/// Copies a table in pages, in the order of its key. Returns the number of rows.
async fn copy_table<E, A>(
    from: &DatabaseConnection,
    to: &DatabaseConnection,
    key: impl IntoIdentity + Clone,
) -> Result<usize, DbErr>
where
    E: EntityTrait<ActiveModel = A>,
    E::Model: FromQueryResult + IntoActiveModel<A> + Sync,
    A: ActiveModelTrait<Entity = E> + ActiveModelBehavior + Send,
{
    let mut copied = 0;
    let mut last: Option<ValueTuple> = None;
    loop {
        let mut page = E::find().cursor_by(key.clone());
        if let Some(last) = last.take() {
            page.after(last);
        }
        let rows = page.first(ROWS_PER_INSERT).all(from).await?;
        let Some(end) = rows.last().cloned() else { return Ok(copied) };
        last = end.into_active_model().get_primary_key_value();
        copied += rows.len();
        let rows = rows.into_iter().map(|row| row.into_active_model().reset_all());
        E::insert_many(rows).exec_without_returning(to).await?;
    }
}

/// Copies the last ID that was given, which may be that of a deleted row: no ID is ever given again.
async fn copy_last_id<E: EntityTrait>(
    from: &DatabaseConnection,
    to: &DatabaseConnection,
    key: E::Column,
) -> Result<(), DbErr> {
    let table = E::default().table_name().to_owned();
    let highest = E::find().select_only().expr(key.max()).into_tuple::<Option<i64>>();
    let highest = highest.one(from).await?.flatten();
    let last = std::cmp::max(last_id(from, &table).await?, highest);
    let Some(last) = last else { return Ok(()) };
    if to.get_database_backend() == DbBackend::Postgres {
        let set = Func::cust("setval").args([id_sequence(&table), Expr::val(last)]);
        return to.query_one(Query::select().expr(set)).await.map(drop);
    }
    let of_table = Expr::col(SqliteSequence::Name).eq(&table);
    let mut delete = Query::delete();
    to.execute(delete.from_table(SqliteSequence::Table).and_where(of_table)).await?;
    let mut insert = Query::insert();
    insert
        .into_table(SqliteSequence::Table)
        .columns([SqliteSequence::Name, SqliteSequence::Seq])
        .values_panic([table.into(), last.into()]);
    to.execute(&insert).await.map(drop)
}

/// Returns the last ID that was given to a row of a table, `None` if there never was a row.
async fn last_id(database: &DatabaseConnection, table: &str) -> Result<Option<i64>, DbErr> {
    let mut select = Query::select();
    if database.get_database_backend() == DbBackend::Postgres {
        let sequence = id_sequence(table).cast_as("regclass");
        select.expr(Func::cust("pg_sequence_last_value").arg(sequence));
    } else {
        select
            .column(SqliteSequence::Seq)
            .from(SqliteSequence::Table)
            .and_where(Expr::col(SqliteSequence::Name).eq(table));
    }
    let row = database.query_one(&select).await?;
    row.map_or(Ok(None), |row| row.try_get_by_index(0))
}

/// Returns the name of the sequence of the IDs of a table in PostgreSQL.
fn id_sequence(table: &str) -> Expr {
    Func::cust("pg_get_serial_sequence").args([Expr::val(table), Expr::val("id")]).into()
}

/// The table in which SQLite keeps the last IDs (<https://www.sqlite.org/autoinc.html>).
#[derive(DeriveIden)]
#[sea_orm(iden = "sqlite_sequence")]
enum SqliteSequence {
    Table,
    Name,
    Seq,
}
