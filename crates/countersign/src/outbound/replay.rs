//! May a refused request be sent again?

use reqwest::Request;

/// A request and, where its body can be had twice, its twin for the one resend.
pub(super) struct Replay {
    pub(super) first: Request,
    pub(super) again: Option<Request>,
}

impl Replay {
    /// The twin is taken before a token is on it. A streamed body has none: it is gone once sent (S7.19).
    pub(super) fn of(first: Request) -> Self {
        let again = first.try_clone();
        Replay { first, again }
    }
}
