//! The seam between a request and work that runs in another task.

use futures_util::future::BoxFuture;

/// Keeps the context of a request, such as its trace, in tasks that outlive it.
///
/// Each method is called in the task of the request and wraps the work of the other task. `()` adds
/// nothing.
pub trait TaskContext: Send + Sync + 'static {
    /// Wraps the execution of a mutation, which runs to its end even if the client disconnects.
    fn wrap_mutation(&self, execution: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        execution
    }

    /// Wraps a WebSocket connection, which begins after the response to its handshake.
    fn wrap_connection(&self, connection: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        connection
    }
}

impl TaskContext for () {}
