//! The Tokio runtime of a binary.

use tokio::runtime::Builder;

use crate::settings::exit_with_error;

/// Runs `program` to its end on a new runtime with this many worker threads. An error ends the
/// process with one line on standard error.
pub fn block_on(worker_threads: u16, program: impl Future<Output = Result<(), String>>) {
    let runtime =
        Builder::new_multi_thread().worker_threads(worker_threads.into()).enable_all().build();
    let result = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(Box::pin(program)));
    if let Err(problem) = result {
        exit_with_error(&problem);
    }
}
