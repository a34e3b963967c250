//! Macros that run one test on every database and deployment.

/// Defines a module of four tests for each `async fn(Topology)`: one for each database, in one
/// process and in two.
macro_rules! on_every_topology {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            use $crate::support::services::Topology;

            #[tokio::test]
            async fn sqlite_one_process() {
                super::$test(Topology::SQLITE_ONE_PROCESS).await;
            }

            #[tokio::test]
            async fn sqlite_two_processes() {
                super::$test(Topology::SQLITE_TWO_PROCESSES).await;
            }

            #[tokio::test]
            async fn postgres_one_process() {
                super::$test(Topology::POSTGRES_ONE_PROCESS).await;
            }

            #[tokio::test]
            async fn postgres_two_processes() {
                super::$test(Topology::POSTGRES_TWO_PROCESSES).await;
            }
        }
    )+};
}

/// As `on_every_topology`, with one test for each database: for tests that need the two services in
/// processes of their own.
macro_rules! on_two_processes {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            use $crate::support::services::Topology;

            #[tokio::test]
            async fn sqlite() {
                super::$test(Topology::SQLITE_TWO_PROCESSES).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$test(Topology::POSTGRES_TWO_PROCESSES).await;
            }
        }
    )+};
}

/// As `on_every_topology`, on `PostgreSQL` alone: for tests that disconnect the database server.
macro_rules! on_postgres {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            use $crate::support::services::Topology;

            #[tokio::test]
            async fn one_process() {
                super::$test(Topology::POSTGRES_ONE_PROCESS).await;
            }

            #[tokio::test]
            async fn two_processes() {
                super::$test(Topology::POSTGRES_TWO_PROCESSES).await;
            }
        }
    )+};
}

/// As `on_every_topology`, for tests that need a database and no running service.
macro_rules! on_every_database {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            use $crate::support::database::Engine;

            #[tokio::test]
            async fn sqlite() {
                super::$test(Engine::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$test(Engine::Postgres).await;
            }
        }
    )+};
}
