//! Exit status after `SIGTERM` and `SIGINT`.

use crate::support::process::Process;
use crate::support::settings::{migrated_folder, valid_settings};

#[tokio::test]
async fn signals_exit_with_success() {
    let folder = migrated_folder().await;
    for (binary, service) in
        [("users-api", "users-api"), ("offers-api", "offers-api"), ("classifieds", "offers-api")]
    {
        for signal in ["TERM", "INT"] {
            let settings = valid_settings(binary, folder.path());
            let mut process = Process::start(binary, folder.path(), &settings);
            process.url(service, "http").await;
            process.signal(signal).await;
            let status = process.wait().await;
            assert!(status.success(), "{binary}, {signal}: {status}");
        }
    }
}
