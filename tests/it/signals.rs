//! Signals end a service in order.

use std::process::Command;

use crate::settings::{good, ready_folder};
use crate::support::process::{self, Process};

#[tokio::test]
async fn a_signal_ends_a_service_without_an_error() {
    let folder = ready_folder().await;
    for (binary, service) in
        [("users-api", "users-api"), ("offers-api", "offers-api"), ("classifieds", "offers-api")]
    {
        for signal in ["TERM", "INT"] {
            let settings = good(binary, folder.path());
            let mut process =
                Process::start(binary, process::command(binary, folder.path(), &settings));
            process.address(service, "http").await.expect("it runs");
            let mut kill = Command::new("kill");
            kill.args(["-s", signal, &process.id().to_string()]);
            process::succeed(kill).await;
            let status = process.ended().await;
            assert!(status.success(), "{binary}, {signal}: {status}");
        }
    }
}
