//! Issuers at which anybody gets a token for any audience.

use super::TrustedIssuer;
use crate::error::Fault;

/// An issuer, and the claims that tell its owners apart and are never given to somebody else.
struct OpenIssuer {
    /// Without its scheme: some write none.
    issuer: &'static str,
    owner_claims: &'static [&'static str],
    /// True if the preset of the issuer reads a client that the issuer vouches for.
    has_clients: bool,
}

const OPEN_ISSUERS: [OpenIssuer; 8] = [
    OpenIssuer {
        issuer: "token.actions.githubusercontent.com",
        owner_claims: &["repository_owner_id", "repository_id", "enterprise_id"],
        has_clients: false,
    },
    OpenIssuer { issuer: "gitlab.com", owner_claims: &["namespace_id", "project_id"], has_clients: false },
    OpenIssuer { issuer: "accounts.google.com", owner_claims: &["sub", "hd"], has_clients: true },
    OpenIssuer { issuer: "agent.buildkite.com", owner_claims: &["organization_id", "pipeline_id"], has_clients: false },
    OpenIssuer { issuer: "app.terraform.io", owner_claims: TERRAFORM, has_clients: false },
    OpenIssuer { issuer: "app.eu.terraform.io", owner_claims: TERRAFORM, has_clients: false },
    OpenIssuer { issuer: "oidc.vercel.com", owner_claims: &["owner_id", "project_id"], has_clients: false },
    // The project is in a member of a member only.
    OpenIssuer { issuer: "confidentialcomputing.googleapis.com", owner_claims: &["sub"], has_clients: false },
];

const TERRAFORM: &[&str] = &["terraform_organization_id", "terraform_project_id", "terraform_workspace_id"];

impl TrustedIssuer {
    /// The fault of an issuer that signs for everybody, if the rules name none of those whose tokens are accepted.
    pub(super) fn open_issuer_fault(&self) -> Option<Fault> {
        let name = self.issuer().split_once("://").map_or(self.issuer(), |(_, name)| name).trim_end_matches('/');
        let open = OPEN_ISSUERS.iter().find(|open| name.eq_ignore_ascii_case(open.issuer))?;
        let (mut allowed, mut required) = (self.allowed_values.iter(), self.required_values.iter());
        let names_owners = |claim: &str| open.owner_claims.contains(&claim);
        // A list without values has a fault of its own.
        let is_limited = allowed.any(|(claim, _)| names_owners(claim))
            || required.any(|(claim, _)| names_owners(claim))
            || (open.has_clients && !self.allowed_clients.is_empty());
        let clients = if open.has_clients { ", or allowed_clients with its preset" } else { "" };
        (!is_limited).then(|| {
            let problem = format!(
                "anybody gets tokens of this issuer for any audience; name those whose tokens are accepted, by {}{clients}",
                open.owner_claims.join(" or "),
            );
            Fault::new("allowed_claim_values", problem)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::OPEN_ISSUERS;
    use crate::authz::names_caller;

    #[test]
    fn s15_05_every_claim_that_names_owners_counts_only_with_its_issuer() {
        for claim in OPEN_ISSUERS.iter().flat_map(|open| open.owner_claims) {
            assert!(names_caller(claim), "{claim}");
        }
    }
}
