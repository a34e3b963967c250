//! The connections to the database, looked at when somebody asks.

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
pub(super) struct Pool(pub(super) Arc<OnceLock<DatabaseConnection>>);

impl Collector for Pool {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some((open, idle)) = self.0.get().and_then(connections) else { return Ok(()) };
        for (name, help, value) in [
            ("db_connections", "Connections to the database", i64::from(open)),
            ("db_connections_idle", "Connections that wait for work", count(idle)),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

fn connections(database: &DatabaseConnection) -> Option<(u32, usize)> {
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

fn count(connections: usize) -> i64 {
    i64::try_from(connections).unwrap_or(i64::MAX)
}
