//! `--help`.

use crate::support::process;

#[tokio::test]
async fn help_lists_every_setting_with_its_default() {
    let folder = tempfile::tempdir().unwrap();
    let both = [
        "DATABASE_URL",
        "DATABASE_READ_URL",
        "TLS_CERT",
        "TLS_KEY",
        "SECURITY",
        "CORS_ORIGINS",
        "TRUSTED_PROXIES",
        "LOG",
        "LOG_FORMAT",
        "info",
        "text",
    ];
    let users = [
        "OFFERS_URL",
        "OFFERS_CA",
        "JWT_KEY_DIR",
        "data/keys",
        "ACCESS_TTL",
        "10m",
        "REFRESH_TTL",
        "30d",
    ];
    let users_only =
        ["HTTP_ADDR", "HTTPS_ADDR", "127.0.0.1:8001", "http://127.0.0.1:8002", "strict"];
    let offers = [
        "HTTP_ADDR",
        "HTTPS_ADDR",
        "127.0.0.1:8002",
        "JWKS_URL",
        "DATABASE_LISTEN_URL",
        "strict",
        "http://127.0.0.1:8001/.well-known/jwks.json",
    ];
    let classifieds = [
        "USERS_HTTP_ADDR",
        "USERS_HTTPS_ADDR",
        "OFFERS_HTTP_ADDR",
        "OFFERS_HTTPS_ADDR",
        "spec",
        "127.0.0.1:8001",
        "127.0.0.1:8441",
        "127.0.0.1:8002",
        "127.0.0.1:8442",
        "sqlite://data/classifieds.db?mode=rwc",
        "JWT_KEY_DIR",
        "data/keys",
        "ACCESS_TTL",
        "10m",
        "REFRESH_TTL",
        "30d",
    ];
    for (binary, words) in [
        ("users-api", [&both[..], &users, &users_only].concat()),
        ("offers-api", [&both[..], &offers].concat()),
        ("classifieds", [&both[..], &classifieds].concat()),
    ] {
        let mut command = process::command(binary, folder.path(), &[]);
        command.arg("--help");
        let help = process::run_successfully(command).await.stdout;
        for word in words {
            assert!(help.contains(word), "{binary}: {word} is missing in\n{help}");
            // Every variable is also a flag with the same name.
            if word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
                let flag = format!("--{}", word.to_lowercase().replace('_', "-"));
                assert!(help.contains(&flag), "{binary}: {flag} is missing in\n{help}");
            }
        }
    }
}
