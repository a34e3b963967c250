//! What only this service counts.

use prometheus_client::{metrics::gauge::Gauge, registry::Registry};

use crate::offers_client::transport as upstream;

pub(crate) struct Figures {
    pub(crate) hashes_waiting: Gauge,
    pub(crate) hashes_running: Gauge,
    pub(crate) upstream: upstream::Figures,
}

impl Figures {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let (waiting, running) = (Gauge::default(), Gauge::default());
        registry.register("hashes_waiting", "Passwords that wait to be hashed", waiting.clone());
        registry.register("hashes_running", "Passwords being hashed", running.clone());
        Self {
            hashes_waiting: waiting,
            hashes_running: running,
            upstream: upstream::Figures::register(registry),
        }
    }
}
