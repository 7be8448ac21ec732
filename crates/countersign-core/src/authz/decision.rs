//! The result of evaluating a requirement.

use std::time::Duration;

/// The result of evaluating a [`Requirement`](super::Requirement).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// The requirement is met.
    Allowed,
    /// The requirement is not met.
    Denied(Denial),
}

/// The reason for a denial, and the change that would lift it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// A token with all of these scopes is needed: 403 `insufficient_scope` (RFC 6750 §3.1).
    Scopes(Vec<String>),
    /// A newer or stronger authentication is needed.
    ///
    /// 401 `insufficient_user_authentication` (RFC 9470 §3).
    StepUp {
        /// The longest time since the subject authenticated, if the requirement limits it.
        max_age: Option<Duration>,
        /// The accepted authentication contexts (`acr`), if the requirement names any; one is enough.
        acr_values: Vec<String>,
    },
    /// A token that is bound to a key of its sender is needed: 401 `invalid_token` (RFC 9449 §7.1).
    ProofRequired,
    /// The claims do not have the type that a rule requires: 403 `claims_schema`.
    ClaimsSchema,
    /// No other token of this caller would be allowed: 403.
    Forbidden,
    /// Forbidden, and the caller must not learn that the resource exists: 404.
    ///
    /// See [`hidden`](super::Requirement::hidden).
    NotFound,
}

impl Decision {
    /// Returns whether the requirement is met.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allowed)
    }
}

impl Denial {
    /// The stricter of two denials: not found, forbidden, claims, proof, step-up, scopes, in this order.
    pub(super) fn stricter(self, other: Denial) -> Denial {
        match (self, other) {
            (Denial::NotFound, _) | (_, Denial::NotFound) => Denial::NotFound,
            (Denial::Forbidden, _) | (_, Denial::Forbidden) => Denial::Forbidden,
            (Denial::ClaimsSchema, _) | (_, Denial::ClaimsSchema) => Denial::ClaimsSchema,
            (Denial::ProofRequired, _) | (_, Denial::ProofRequired) => Denial::ProofRequired,
            (
                Denial::StepUp { max_age: first, acr_values: one },
                Denial::StepUp { max_age: second, acr_values: other },
            ) => {
                let max_age = first.into_iter().chain(second).min();
                match (one.is_empty(), other.is_empty()) {
                    (true, _) => Denial::StepUp { max_age, acr_values: other },
                    (_, true) => Denial::StepUp { max_age, acr_values: one },
                    _ => {
                        let common: Vec<String> = one.into_iter().filter(|value| other.contains(value)).collect();
                        if common.is_empty() {
                            Denial::Forbidden
                        } else {
                            Denial::StepUp { max_age, acr_values: common }
                        }
                    }
                }
            }
            (step_up @ Denial::StepUp { .. }, _) | (_, step_up @ Denial::StepUp { .. }) => step_up,
            (Denial::Scopes(mut first), Denial::Scopes(second)) => {
                first.extend(second.into_iter().filter(|scope| !first.contains(scope)).collect::<Vec<_>>());
                Denial::Scopes(first)
            }
        }
    }

    /// The denial that is easier to lift; of two that cannot be lifted, the one that reveals less.
    pub(super) fn easier(self, other: Denial) -> Denial {
        match (self, other) {
            (scopes @ Denial::Scopes(_), _) | (_, scopes @ Denial::Scopes(_)) => scopes,
            (step_up @ Denial::StepUp { .. }, _) | (_, step_up @ Denial::StepUp { .. }) => step_up,
            (Denial::ProofRequired, _) | (_, Denial::ProofRequired) => Denial::ProofRequired,
            (Denial::NotFound, _) | (_, Denial::NotFound) => Denial::NotFound,
            (Denial::ClaimsSchema, _) | (_, Denial::ClaimsSchema) => Denial::ClaimsSchema,
            _ => Denial::Forbidden,
        }
    }

    /// The code of this denial, from a closed set, for metrics and logs.
    ///
    /// ```
    /// assert_eq!(countersign_core::authz::Denial::Forbidden.code(), "forbidden");
    /// ```
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Denial::Scopes(_) => "insufficient_scope",
            Denial::StepUp { .. } => "insufficient_user_authentication",
            Denial::ProofRequired => "bound_token_required",
            Denial::ClaimsSchema => "claims_schema",
            Denial::Forbidden => "forbidden",
            Denial::NotFound => "not_found",
        }
    }
}
