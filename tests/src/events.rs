//! Events in a process whose tests each listen on their own thread.

use std::sync::Once;

/// Installs a global subscriber that records nothing. Call this before a test sets a subscriber for its own thread.
///
/// `tracing` caches whether anyone is interested in an event, and with a single subscriber it asks only the thread that emits
/// the event first. If that thread belongs to another test, the event stays disabled for all. A second subscriber, for all
/// threads, prevents that.
pub fn enable_events_on_every_thread() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry()).expect("the only one of all threads");
    });
}
