//! The metrics that only this service has.

use prometheus_client::{metrics::gauge::Gauge, registry::Registry};

use crate::offers_client::transport::TransportMetrics;

pub(crate) struct UsersMetrics {
    pub(crate) hashes_queued: Gauge,
    pub(crate) hashes_in_progress: Gauge,
    pub(crate) offers_client: TransportMetrics,
}

impl UsersMetrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let (queued, in_progress) = (Gauge::default(), Gauge::default());
        registry.register(
            "password_hashes_queued",
            "Password hashes waiting for a worker",
            queued.clone(),
        );
        registry.register(
            "password_hashes_in_progress",
            "Password hashes being computed",
            in_progress.clone(),
        );
        Self {
            hashes_queued: queued,
            hashes_in_progress: in_progress,
            offers_client: TransportMetrics::new(registry),
        }
    }
}
