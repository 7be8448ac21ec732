//! Checks of a client's registration when the issuer is built.

use countersign_core::error::Fault;

use super::{CertificateName, Client};
use crate::policy::{Audience, Grant, TrustDomain};

/// The longest client id, in bytes.
const MAX_CLIENT_ID_BYTES: usize = 256;

/// The most keyed hashes of a client: one in use, and others while it changes.
const MAX_KEYED_HASHES: usize = 4;

impl Client {
    /// All faults of the registration, given the issuer's audiences, whether it has a pepper, and whether a federation
    /// authenticates this client.
    pub(crate) fn faults(
        &self,
        audiences: &[Audience],
        trust_domains: &[TrustDomain],
        has_pepper: bool,
        is_federated: bool,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |field, problem: &'static str| faults.push(self.fault(field, problem));
        let is_fine = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if !(1..=MAX_CLIENT_ID_BYTES).contains(&self.id().len()) || !self.id().bytes().all(is_fine) {
            fault("id", "not 1 to 256 printable ASCII characters");
        }
        let keyed = self.hashes.iter().filter(|hash| hash.keyed().is_some()).count();
        let slow = self.hashes.len().saturating_add(self.plain_secrets()).saturating_sub(keyed);
        if keyed != 0 && !has_pepper {
            fault("secret", "has a keyed hash, but the issuer has no pepper; set `.pepper(…)`");
        }
        // A second Argon2id check would double the time, and so reveal which clients exist.
        if slow > 1 || keyed > MAX_KEYED_HASHES {
            fault("secret", "more than one Argon2id or bcrypt hash, or more than four keyed hashes; remove some");
        }
        let has_certificate = !self.certificates.is_empty() || self.certificate_name.is_some();
        if let Some(problem) = self.certificate_name.as_ref().and_then(CertificateName::problem) {
            fault("certificate_name", problem);
        }
        if !self.certificates.is_empty() && self.certificate_name.is_some() {
            fault("certificate_name", "set beside certificates; a client authenticates in one of both ways");
        }
        if slow + keyed == 0 && self.public_keys.is_none() && !has_certificate && !is_federated {
            fault("secret", "neither a secret nor public keys nor a certificate; the client could never authenticate");
        }
        if self.grants.is_empty() {
            fault("grants", "empty; the client could request nothing");
        }
        let has_rule = !self.exchange_rules.is_empty() || !self.transaction_rules.is_empty();
        if self.grants.contains(&Grant::TokenExchange) && !has_rule {
            fault("grants", "token exchange without a rule; add `.add_exchange_rule(…)`");
        }
        if let Some(problem) = self.scopes.problem() {
            fault("scopes", problem);
        }
        let known = |name: &String| audiences.iter().any(|audience| audience.name() == name);
        let own = |name: &String| self.audiences.contains(name);
        if !self.audiences.iter().all(known) {
            fault("audiences", "names an audience unknown to the issuer; add it with `.add_audience(…)`");
        }
        if self.default_audience.as_ref().is_some_and(|name| !own(name)) {
            fault("default_audience", "not one of the client's audiences");
        }
        if !self.exchange_rules.iter().flat_map(|rule| &rule.targets).all(own) {
            fault("exchange rule", "names a target that is not one of the client's audiences");
        }
        let reachable = |scope: &str| {
            audiences.iter().any(|audience| own(&audience.name().to_owned()) && audience.scopes.0.contains(scope))
        };
        let of_rules = self.exchange_rules.iter().filter_map(|rule| rule.scopes.as_ref()).flat_map(|scopes| &scopes.0);
        if !self.scopes.0.iter().chain(of_rules).map(AsRef::as_ref).all(reachable) {
            fault("scopes", "names a scope that none of the client's audiences knows; add it to an audience");
        }
        faults.extend(self.exchange_rules.iter().flat_map(|rule| rule.faults(self.id())));
        faults.extend(self.transaction_faults(trust_domains));
        faults
    }

    fn transaction_faults(&self, trust_domains: &[TrustDomain]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (number, rule) in self.transaction_rules.iter().enumerate() {
            faults.extend(rule.faults(self.id()));
            let mut fault = |problem: &'static str| faults.push(self.fault("transaction rule", problem));
            if self.transaction_rules.iter().take(number).any(|other| other.trust_domain == rule.trust_domain) {
                fault("names a trust domain twice; combine both rules");
            }
            match trust_domains.iter().find(|domain| domain.name() == rule.trust_domain) {
                None => fault("names a trust domain unknown to the issuer; add it with `.add_trust_domain(…)`"),
                Some(domain) if !rule.scopes.is_within(&domain.scopes) => {
                    fault("names a scope that the trust domain does not know; add it there");
                }
                Some(_) => {}
            }
        }
        // It is `req_wl` in its transaction tokens, which is a name without spaces.
        if !self.transaction_rules.is_empty() && self.id().contains(' ') {
            faults
                .push(self.fault("id", "has a space, which the name of a workload in transaction tokens cannot have"));
        }
        faults
    }
}
