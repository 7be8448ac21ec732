//! The policies of the services, signed as bundles.

use countersign::bundle::{BundleDraft, BundleVerifier};
use countersign::clock::{Clock, SystemClock};
use countersign::key::{Algorithm, KeySet};
use countersign::mint::Signer;
use countersign::policy::Policy;

use crate::Result;
use crate::documents::DocumentHost;

/// The services. Each is a fleet of its own: its audience, and so its policy, is its own.
pub const SERVICES: [&str; 4] = ["orders", "billing", "stock", "shipping"];

/// The zones. Each has one instance of each service, which pulls the bundle of its zone.
pub const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

/// What changes from revision to revision.
#[derive(Clone, Copy)]
pub enum Rules {
    /// Tokens live for ten minutes at most.
    First,
    /// They live for an hour at most, and only known clients may call.
    Second,
    /// As the second, with less leeway between clocks.
    ShortLeeway,
    /// As the second, for tokens with any audience: a weakened policy.
    AnyAudience,
}

/// Whoever signs policies. `countersign bundle sign` does the same with a key in a file.
pub struct Operator {
    signer: Signer,
}

impl Operator {
    pub fn new() -> Result<Self> {
        Ok(Operator { signer: Signer::generate(Algorithm::ES256)? })
    }

    /// What the instances of a service pin: its name, and the key of the operator.
    pub fn pins(&self, service: &str) -> Result<BundleVerifier> {
        Ok(BundleVerifier::new(service, KeySet::new([self.signer.verifying_key()?]))?)
    }

    /// Signs a revision of a service's policy and puts it at the address of these zones.
    pub fn publish(
        &self,
        host: &DocumentHost,
        zones: &[&str],
        service: &str,
        revision: u64,
        policy: Policy,
    ) -> Result<()> {
        let bundle = draft(service, revision, policy).sign(&self.signer)?;
        zones.iter().for_each(|zone| host.put(&format!("/{zone}/{service}.jws"), bundle.clone()));
        Ok(())
    }

    /// Signs a revision as a shadow.
    pub fn publish_shadow(&self, host: &DocumentHost, service: &str, revision: u64, policy: Policy) -> Result<()> {
        let shadow = draft(service, revision, policy).sign_shadow(&self.signer)?;
        host.put(&format!("/{service}-shadow.jws"), shadow);
        Ok(())
    }
}

fn draft(service: &str, revision: u64, policy: Policy) -> BundleDraft {
    BundleDraft::new(service, revision, policy).created_at(SystemClock.now())
}

/// The policy of a service.
pub fn policy(issuer: &str, service: &str, rules: Rules) -> Result<Policy> {
    let changed = match rules {
        Rules::First => "max_lifetime_seconds = 600",
        Rules::Second => CLIENTS_OF_AN_HOUR,
        Rules::ShortLeeway => &format!("{CLIENTS_OF_AN_HOUR}\nleeway_seconds = 5"),
        Rules::AnyAudience => &format!("{CLIENTS_OF_AN_HOUR}\ndanger_any_audience = true"),
    };
    let text = format!(
        "[[issuers]]\n\
         issuer = \"{issuer}\"\n\
         audience = \"{service}\"\n\
         profile = \"access_token\"\n\
         {changed}\n"
    );
    Ok(Policy::from_toml(&text)?)
}

const CLIENTS_OF_AN_HOUR: &str =
    "max_lifetime_seconds = 3600\nallowed_clients = [\"web-shop\", \"partner-hub\", \"operations\"]";
