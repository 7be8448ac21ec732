//! Events of a process in which several tests listen, each on its own thread.

use std::sync::Once;

/// Call this before a subscriber is set for one thread.
///
/// While only one is known to the process, the place of an event asks the thread that comes there first whether anybody
/// listens. Where that is another test's, the event is taken for unwanted ever after. One for all threads, which keeps
/// nothing, answers for those.
pub fn heed_on_every_thread() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry()).expect("the only one of all threads");
    });
}
