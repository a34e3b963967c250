//! Precedence of flags, environment variables and `.env`.

use std::fs;

use crate::support::client::{ApiClient, send};
use crate::support::process::{self, Process};
use crate::support::settings::{migrated_folder, setting, valid_settings};

/// Returns whether `origin` is allowed, which shows the value of the setting in use.
async fn is_allowed(url: &str, origin: &str) -> bool {
    let request = ApiClient::new(url).request(reqwest::Method::GET, "/health/live");
    let response = send(request.header("origin", origin)).await.expect(200);
    response.header("access-control-allow-origin") == Some(origin)
}

#[tokio::test]
async fn flag_overrides_environment_overrides_file() {
    let folder = migrated_folder().await;
    for (binary, service) in
        [("users-api", "users-api"), ("offers-api", "offers-api"), ("classifieds", "offers-api")]
    {
        let file = "# Settings of this folder\nCORS_ORIGINS=https://file.example\n";
        fs::write(folder.path().join(".env"), file).unwrap();
        let variable = setting("CORS_ORIGINS", "https://variable.example");
        for (with_variable, with_flag, winner) in [
            (false, false, "https://file.example"),
            (true, false, "https://variable.example"),
            (true, true, "https://flag.example"),
            (false, true, "https://flag.example"),
        ] {
            let mut settings = valid_settings(binary, folder.path());
            settings.extend(with_variable.then(|| variable.clone()));
            let mut command = process::command(binary, folder.path(), &settings);
            if with_flag {
                command.args(["--cors-origins", "https://flag.example"]);
            }
            let mut process = Process::spawn(binary, command);
            let url = process.url(service, "http").await;
            for origin in
                ["https://file.example", "https://variable.example", "https://flag.example"]
            {
                assert_eq!(is_allowed(&url, origin).await, origin == winner, "{binary}: {origin}");
            }
        }
    }
}
