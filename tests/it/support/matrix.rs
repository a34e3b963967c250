//! One scenario, four tests.

/// Makes a module of four tests of each scenario, an `async fn(Layout)` of the same name: one for
/// each database, in one process and in two.
macro_rules! on_every_stack {
    ($($scenario:ident),+ $(,)?) => {$(
        mod $scenario {
            use $crate::support::services::Layout;

            #[tokio::test]
            async fn sqlite_one_process() {
                super::$scenario(Layout::SQLITE_ONE).await;
            }

            #[tokio::test]
            async fn sqlite_two_processes() {
                super::$scenario(Layout::SQLITE_TWO).await;
            }

            #[tokio::test]
            async fn postgres_one_process() {
                super::$scenario(Layout::POSTGRES_ONE).await;
            }

            #[tokio::test]
            async fn postgres_two_processes() {
                super::$scenario(Layout::POSTGRES_TWO).await;
            }
        }
    )+};
}

/// As `on_every_stack`, for scenarios that need the two services apart: one test for each database.
macro_rules! on_two_processes {
    ($($scenario:ident),+ $(,)?) => {$(
        mod $scenario {
            use $crate::support::services::Layout;

            #[tokio::test]
            async fn sqlite() {
                super::$scenario(Layout::SQLITE_TWO).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$scenario(Layout::POSTGRES_TWO).await;
            }
        }
    )+};
}

/// As `on_every_stack`, for what needs a database and no service.
macro_rules! on_every_database {
    ($($scenario:ident),+ $(,)?) => {$(
        mod $scenario {
            use $crate::support::database::Engine;

            #[tokio::test]
            async fn sqlite() {
                super::$scenario(Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$scenario(Engine::Postgres).await;
            }
        }
    )+};
}
