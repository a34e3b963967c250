//! The connections of the database pool, read when metrics are rendered.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::gauge::ConstGauge,
};
use sea_orm::{DatabaseConnection, DbBackend};

#[derive(Debug)]
pub(super) struct PoolCollector(pub(super) Arc<OnceLock<DatabaseConnection>>);

impl Collector for PoolCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some((size, idle)) = self.0.get().and_then(pool_size) else { return Ok(()) };
        for (name, help, value) in [
            ("db_connections", "Connections in the pool", i64::from(size)),
            (
                "db_connections_idle",
                "Idle connections in the pool",
                i64::try_from(idle).unwrap_or(i64::MAX),
            ),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// Returns the numbers of all and of idle connections.
fn pool_size(database: &DatabaseConnection) -> Option<(u32, usize)> {
    match database.get_database_backend() {
        DbBackend::Postgres => {
            let pool = database.get_postgres_connection_pool();
            Some((pool.size(), pool.num_idle()))
        }
        DbBackend::Sqlite => {
            let pool = database.get_sqlite_connection_pool();
            Some((pool.size(), pool.num_idle()))
        }
        _ => None,
    }
}
