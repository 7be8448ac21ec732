//! The meaning of a service's answer to a forged token.

/// A 403 means that the service accepted the forged identity. A 503 means that it did not: an unknown key may be a new one,
/// for which the service cannot look again at once.
pub(crate) fn outcome(status: u16) -> &'static str {
    match status {
        400 | 401 | 413 | 414 | 431 | 503 => "refused",
        200..400 | 403 => "got through",
        _ => "odd answer",
    }
}
