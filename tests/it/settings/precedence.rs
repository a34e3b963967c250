//! A flag before the environment before `.env`.

use std::fs;

use super::{good, ready_folder};
use crate::support::client::{Answer, Api};
use crate::support::process::{self, Process};

/// Whether a page of `origin` may call, which tells which value of the setting holds.
async fn lets_in(url: &str, origin: &str) -> bool {
    let request = Api::new(url).request(reqwest::Method::GET, "/health/live");
    let answer = Answer::to(request.header("origin", origin)).await.expect(200);
    answer.header("access-control-allow-origin") == Some(origin)
}

#[tokio::test]
async fn a_flag_beats_the_environment_which_beats_the_file() {
    let folder = ready_folder().await;
    for (binary, service) in
        [("users-api", "users-api"), ("offers-api", "offers-api"), ("classifieds", "offers-api")]
    {
        let file = "# Settings of this folder\nCORS_ORIGINS=https://file.example\n";
        fs::write(folder.path().join(".env"), file).unwrap();
        let variable = ("CORS_ORIGINS".to_owned(), "https://variable.example".to_owned());
        for (with_variable, with_flag, winner) in [
            (false, false, "https://file.example"),
            (true, false, "https://variable.example"),
            (true, true, "https://flag.example"),
            (false, true, "https://flag.example"),
        ] {
            let mut settings = good(binary, folder.path());
            settings.extend(with_variable.then(|| variable.clone()));
            let mut command = process::command(binary, folder.path(), &settings);
            if with_flag {
                command.args(["--cors-origins", "https://flag.example"]);
            }
            let mut process = Process::start(binary, command);
            let url = process.address(service, "http").await.expect("it runs");
            for origin in
                ["https://file.example", "https://variable.example", "https://flag.example"]
            {
                assert_eq!(lets_in(&url, origin).await, origin == winner, "{binary}: {origin}");
            }
        }
    }
}
