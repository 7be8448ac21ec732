//! Conditions on other claims: one claim's exact value, or a closure over the user's own claims type.

use std::fmt;

use serde_json::{Value, json};

use super::condition::{Condition, Escaped};
use super::facts::{Facts, Unknown};
use super::rule::Requirement;
use super::verdict::Verdict;
use crate::authz::Denial;
use crate::authz::pointer::head_and_tail;
use crate::claims::FromClaims;
use crate::claims::typed::TokenClaims;

/// The claim at `path` is exactly `value`, type included; a list is not searched.
///
/// An absent claim, or `null`, is another value. A claim of another JSON type, or on the way to it, cannot be compared: it
/// refuses, and so does the negation. Numbers are equal in every spelling: `3.0` and `3e0` are `3`.
///
/// If several issuers are trusted, a claim that names who calls or how may mean something else at each: combine it with
/// [`issued_by`](super::issued_by), as with [`subject`](super::subject). Such claims are those that the mapping of any issuer
/// reads (client, roles, permissions, groups, tenant), those of which the policy of any issuer requires a value, and these by
/// their usual names: `sub`, `act`, `may_act`, `acr` and `amr`; `client_id`, `azp`, `cid`, `appid` and `clientId`; `email`,
/// `user_email`, `phone_number`, `preferred_username`, `username`, `user_name`, `user_login`, `cognito:username`,
/// `unique_name`, `upn`, `oid`, `uid` and `user_id`; `tid`, `hd` and `org_id`; and of build services `actor`, `actor_id`,
/// `enterprise`, `enterprise_id`, `owner_id`, `organization_id`, `organization_slug`, `pipeline_id`, `pipeline_slug`,
/// `workflow_ref`, `job_workflow_ref`, and all that begins with `repository`, `project_`, `namespace_` or `terraform_`. Any
/// other claim counts from every trusted issuer.
///
/// The mapping and the rules of an issuer that is resolved at run time are known only for its own tokens. A claim that only such
/// an issuer maps counts from every other issuer: combine it with [`issued_by`](super::issued_by) yourself.
///
/// A path that is empty or no JSON pointer refuses, and so does the negation.
///
/// `path` is a JSON pointer (RFC 6901) or, without a leading slash, the name of a top-level claim. For members of lists
/// use [`role`](super::role), [`permission`](super::permission) and [`group`](super::group), which are read from any path.
///
/// ```
/// use countersign_core::authz::claim;
///
/// assert_eq!(claim("plan", "gold").to_string(), "claim /plan is \"gold\"");
/// assert_eq!(claim("/org/verified", true).to_string(), "claim /org/verified is true");
/// ```
pub fn claim(path: impl Into<String>, value: impl Into<Value>) -> Requirement {
    let path = path.into();
    let pointer = match path.starts_with('/') {
        true => path,
        false => format!("/{}", path.replace('~', "~0").replace('/', "~1")),
    };
    let head = head_and_tail(&pointer).map_or_else(String::new, |(head, _)| head.into_owned());
    let is_identity = names_caller(&head);
    Requirement::from_condition(ClaimIs { pointer, head, value: value.into(), is_identity })
}

/// The claims, decoded as the type `C`, meet a condition; `description` names it in logs and tables.
///
/// If several issuers are trusted, the closure sees the claims of each: combine it with [`issued_by`](super::issued_by) if it
/// reads who calls. A token whose claims do not decode as `C` is refused with the code `claims_schema`, and so is the negation. As
/// [data](Requirement#data-form), only the description is written.
///
/// ```
/// use countersign_core::authz::claims_where;
///
/// #[derive(serde::Deserialize)]
/// struct OrderClaims {
///     plan: String,
/// }
///
/// let paying = claims_where("a paying plan", |claims: &OrderClaims| claims.plan != "free");
/// assert_eq!(paying.not().to_string(), "not (a paying plan)");
/// ```
pub fn claims_where<C: FromClaims>(
    description: impl Into<String>,
    holds: impl Fn(&C) -> bool + Send + Sync + 'static,
) -> Requirement {
    let holds = move |claims: &TokenClaims<'_>| claims.decode::<C>().ok().map(|own| holds(&own));
    Requirement::from_condition(ClaimsWhere { description: description.into(), holds })
}

/// The claims that name who calls or how. They count only together with their issuer.
const IDENTITY: [&str; 37] = [
    "sub",
    "act",
    "may_act",
    "acr",
    "amr",
    "client_id",
    "azp",
    "cid",
    "appid",
    "clientId",
    "email",
    "user_email",
    "phone_number",
    "preferred_username",
    "username",
    "user_name",
    "user_login",
    "cognito:username",
    "unique_name",
    "upn",
    "oid",
    "uid",
    "user_id",
    "tid",
    "hd",
    "org_id",
    "actor",
    "actor_id",
    "enterprise",
    "enterprise_id",
    "owner_id",
    "organization_id",
    "organization_slug",
    "pipeline_id",
    "pipeline_slug",
    "workflow_ref",
    "job_workflow_ref",
];

/// The beginnings of further such claims, at build services.
const IDENTITY_PREFIXES: [&str; 4] = ["repository", "project_", "namespace_", "terraform_"];

/// Returns whether the top-level claim `name` usually names who calls or how.
pub(crate) fn names_caller(name: &str) -> bool {
    IDENTITY.contains(&name) || IDENTITY_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

struct ClaimIs {
    pointer: String,
    /// The top-level claim that the pointer leads to or into; empty if it is no pointer.
    head: String,
    value: Value,
    /// True if the claim names who calls or how, at any issuer.
    is_identity: bool,
}

impl ClaimIs {
    /// Returns whether the claim counts only together with its issuer.
    fn needs_issuer(&self, facts: &Facts<'_>) -> bool {
        self.is_identity || facts.identity_claims.iter().any(|names| names.iter().any(|name| **name == *self.head))
    }
}

impl Condition for ClaimIs {
    fn kind(&self) -> &'static str {
        "claim"
    }

    fn argument(&self) -> Value {
        json!({ "path": self.pointer, "value": self.value })
    }

    /// Values of claims are not named.
    fn found(&self, facts: &Facts<'_>) -> Vec<String> {
        if self.head.is_empty() {
            return vec!["the path is no JSON pointer; write it like /org/id, or name a claim".to_owned()];
        }
        match facts.claims.compare(&self.pointer, &self.value) {
            Ok(Some(false)) => vec!["the claim is absent or has another value".to_owned()],
            _ => Vec::new(),
        }
    }

    fn evaluate(&self, facts: &Facts<'_>) -> Verdict {
        if self.head.is_empty() {
            return Verdict::Unknown(Denial::Forbidden, Unknown::NotInToken);
        }
        if facts.is_elsewhere(&self.head) {
            return Verdict::Unknown(Denial::Forbidden, Unknown::Distributed);
        }
        let is_named = match self.needs_issuer(facts) {
            true => facts.is_named_issuer(),
            false => Some(true),
        };
        match facts.claims.compare(&self.pointer, &self.value) {
            Ok(_) if is_named.is_none() => Verdict::Unknown(Denial::Forbidden, Unknown::SeveralIssuers),
            Ok(_) if is_named == Some(false) => Verdict::met_if(false, || Denial::Forbidden),
            Ok(Some(is_same)) => Verdict::met_if(is_same, || Denial::Forbidden),
            Ok(None) => Verdict::Unknown(Denial::Forbidden, Unknown::NotInToken),
            Err(_) => Verdict::Unknown(Denial::ClaimsSchema, Unknown::NotInToken),
        }
    }
}

impl fmt::Display for ClaimIs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "claim {} is {}", Escaped(&self.pointer), Escaped(&self.value.to_string()))
    }
}

/// The closure returns `None` if the claims are not of the type that it is about.
struct ClaimsWhere<F> {
    description: String,
    holds: F,
}

impl<F: Fn(&TokenClaims<'_>) -> Option<bool> + Send + Sync> Condition for ClaimsWhere<F> {
    fn kind(&self) -> &'static str {
        CLAIMS_WHERE
    }

    fn argument(&self) -> Value {
        self.description.as_str().into()
    }

    fn evaluate(&self, facts: &Facts<'_>) -> Verdict {
        // The closure may read any claim, and a claim that is elsewhere looks like an absent one.
        if !facts.grants.distributed.is_empty() {
            return Verdict::Unknown(Denial::Forbidden, Unknown::Distributed);
        }
        match (self.holds)(&facts.claims) {
            Some(is_met) => Verdict::met_if(is_met, || Denial::Forbidden),
            None => Verdict::Unknown(Denial::ClaimsSchema, Unknown::NotInToken),
        }
    }

    fn found(&self, _: &Facts<'_>) -> Vec<String> {
        Vec::new()
    }

    /// The same closure, not only the same description.
    fn is_same(&self, other: &dyn Condition) -> bool {
        std::ptr::addr_eq(std::ptr::from_ref(self), std::ptr::from_ref(other))
    }
}

impl<F> fmt::Display for ClaimsWhere<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped(&self.description))
    }
}

/// The kind that only code can make.
pub(super) const CLAIMS_WHERE: &str = "claims_where";
