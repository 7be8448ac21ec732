//! The runtimes of commands.

use tokio::runtime::{Builder, Runtime};

use crate::exit::Failure;

/// A runtime on the calling thread, for a command that waits for one thing at a time.
pub(crate) fn current_thread() -> Result<Runtime, Failure> {
    built(&mut Builder::new_current_thread())
}

/// A runtime with this many threads of its own, for a command that serves.
pub(crate) fn with_threads(threads: usize) -> Result<Runtime, Failure> {
    built(Builder::new_multi_thread().worker_threads(threads))
}

/// A runtime with a thread for each core.
pub(crate) fn with_all_cores() -> Result<Runtime, Failure> {
    built(&mut Builder::new_multi_thread())
}

fn built(builder: &mut Builder) -> Result<Runtime, Failure> {
    builder.enable_all().build().map_err(|error| Failure::usage(format!("no runtime: {error}")))
}
