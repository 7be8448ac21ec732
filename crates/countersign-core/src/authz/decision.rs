//! The answer to a requirement: allowed, or why not.

use std::time::Duration;

/// What a [`Requirement`](super::Requirement) decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It is met.
    Allowed,
    /// It is not.
    Denied(Denial),
}

/// What would have to change for a requirement to be met.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// A token with all of these scopes would do: 403 `insufficient_scope` (RFC 6750 §3.1).
    Scopes(Vec<String>),
    /// A more recent or stronger authentication would do: 401 `insufficient_user_authentication` (RFC 9470 §3).
    StepUp {
        /// How long ago the subject may have authenticated, where that was asked.
        max_age: Option<Duration>,
        /// The ways to authenticate (`acr`) one of which would do, where that was asked.
        acr_values: Vec<String>,
    },
    /// The claims are not of the type that a rule over them asks for: 403 `claims_schema`.
    ClaimsSchema,
    /// No other token of this caller would do: 403.
    Forbidden,
    /// As before, where the caller is not to learn that there is anything: 404 ([`hidden`](super::Requirement::hidden)).
    NotFound,
}

impl Decision {
    /// Whether the requirement is met.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allowed)
    }
}

impl Denial {
    /// The one that asks for more: nothing helps, then other claims, then a login, then scopes. What is hidden stays so.
    pub(super) fn stricter(self, other: Denial) -> Denial {
        match (self, other) {
            (Denial::NotFound, _) | (_, Denial::NotFound) => Denial::NotFound,
            (Denial::Forbidden, _) | (_, Denial::Forbidden) => Denial::Forbidden,
            (Denial::ClaimsSchema, _) | (_, Denial::ClaimsSchema) => Denial::ClaimsSchema,
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

    /// The one that is easier to mend; of two that cannot be mended, the one that tells less.
    pub(super) fn easier(self, other: Denial) -> Denial {
        match (self, other) {
            (scopes @ Denial::Scopes(_), _) | (_, scopes @ Denial::Scopes(_)) => scopes,
            (step_up @ Denial::StepUp { .. }, _) | (_, step_up @ Denial::StepUp { .. }) => step_up,
            (Denial::NotFound, _) | (_, Denial::NotFound) => Denial::NotFound,
            (Denial::ClaimsSchema, _) | (_, Denial::ClaimsSchema) => Denial::ClaimsSchema,
            _ => Denial::Forbidden,
        }
    }

    /// A word for it, from a closed set, for counts and logs.
    ///
    /// ```
    /// assert_eq!(countersign_core::authz::Denial::Forbidden.code(), "forbidden");
    /// ```
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Denial::Scopes(_) => "insufficient_scope",
            Denial::StepUp { .. } => "insufficient_user_authentication",
            Denial::ClaimsSchema => "claims_schema",
            Denial::Forbidden => "forbidden",
            Denial::NotFound => "not_found",
        }
    }
}
