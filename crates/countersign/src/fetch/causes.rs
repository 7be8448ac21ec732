//! The causes of an error.

use std::error::Error;
use std::iter;

/// The longest chain that is searched: one could lead back to itself.
const MAX_CAUSES: usize = 100;

/// `error` and its causes, with the errors that I/O errors wrap.
pub(crate) fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    iter::successors(Some(error), |cause| {
        let cause: &'e (dyn Error + 'static) = *cause;
        // `source` of an I/O error skips the error that it wraps.
        let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| cause.source())
    })
    .take(MAX_CAUSES)
}
