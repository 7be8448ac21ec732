//! Counts by outcome, which no two threads contend for.

use countersign_core::integration::Counter;
use http::StatusCode;

use crate::decision::EdgeDecision;

/// The outcome of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Allowed,
    Unauthenticated,
    Denied,
    BadRequest,
    Unavailable,
    Failed,
    /// An answer of the layer itself, such as that to a CORS preflight.
    Answered,
}

/// The outcome of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SwapOutcome {
    /// The token was exchanged or minted for this request.
    New,
    /// The token of an earlier request was used.
    Cached,
    Refused,
    /// There was no usable token, by no fault of the client.
    Failed,
}

/// The counts of the decisions of a gateway.
#[derive(Debug, Default)]
pub(crate) struct DecisionCounts([Counter; Outcome::ALL.len()]);

/// The counts of one swap.
#[derive(Debug, Default)]
pub(crate) struct SwapCounts([Counter; SwapOutcome::ALL.len()]);

impl Outcome {
    pub(crate) const ALL: [Outcome; 7] = [
        Outcome::Allowed,
        Outcome::Unauthenticated,
        Outcome::Denied,
        Outcome::BadRequest,
        Outcome::Unavailable,
        Outcome::Failed,
        Outcome::Answered,
    ];

    fn of(decision: &EdgeDecision) -> Self {
        let EdgeDecision::Refused(response) = decision else { return Outcome::Allowed };
        match response.status() {
            StatusCode::UNAUTHORIZED => Outcome::Unauthenticated,
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Outcome::Denied,
            StatusCode::SERVICE_UNAVAILABLE => Outcome::Unavailable,
            status if status.is_client_error() => Outcome::BadRequest,
            status if status.is_server_error() => Outcome::Failed,
            _ => Outcome::Answered,
        }
    }

    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Outcome::Allowed => "allowed",
            Outcome::Unauthenticated => "unauthenticated",
            Outcome::Denied => "denied",
            Outcome::BadRequest => "bad_request",
            Outcome::Unavailable => "unavailable",
            Outcome::Failed => "failed",
            Outcome::Answered => "answered",
        }
    }
}

impl SwapOutcome {
    pub(crate) const ALL: [SwapOutcome; 4] =
        [SwapOutcome::New, SwapOutcome::Cached, SwapOutcome::Refused, SwapOutcome::Failed];

    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) const fn label(self) -> &'static str {
        match self {
            SwapOutcome::New => "new",
            SwapOutcome::Cached => "cached",
            SwapOutcome::Refused => "refused",
            SwapOutcome::Failed => "failed",
        }
    }
}

impl DecisionCounts {
    pub(crate) fn count(&self, decision: &EdgeDecision) {
        if let Some(counter) = self.0.get(Outcome::of(decision) as usize) {
            counter.increment();
        }
    }

    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) fn sums(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Outcome::ALL.into_iter().zip(&self.0).map(|(outcome, counter)| (outcome.label(), counter.sum()))
    }
}

impl SwapCounts {
    pub(crate) fn count(&self, outcome: SwapOutcome) {
        if let Some(counter) = self.0.get(outcome as usize) {
            counter.increment();
        }
    }

    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) fn sums(&self) -> impl Iterator<Item = (&'static str, u64)> {
        SwapOutcome::ALL.into_iter().zip(&self.0).map(|(outcome, counter)| (outcome.label(), counter.sum()))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;

    use super::*;
    use crate::decision::RequestChanges;

    #[test]
    fn s10_05_each_decision_counts_once_by_its_status() {
        let counts = DecisionCounts::default();
        counts.count(&EdgeDecision::Allowed(RequestChanges::default()));
        for status in [401, 403, 404, 405, 400, 431, 503, 500, 502, 204] {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            counts.count(&EdgeDecision::Refused(response));
        }
        let sums: Vec<u64> = counts.0.iter().map(Counter::sum).collect();
        assert_eq!(sums, [1, 1, 3, 2, 1, 2, 1]);
        assert!((0..).zip(Outcome::ALL).all(|(index, outcome)| outcome as usize == index));
        assert!((0..).zip(SwapOutcome::ALL).all(|(index, outcome)| outcome as usize == index));
    }
}
