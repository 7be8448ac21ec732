//! The steps and rules of [`Verifier::verify`], all of them run and reported.

use std::sync::Arc;

use serde_json::Value;

use super::binding::Possession;
use super::compared::{Compared, quoted, some_of, text};
use super::needs_keys::NeedsKeys;
use super::report::{Check, Outcome, Report, Verdict};
use super::rules::{Case, RULES};
use super::signature::matching_key;
use super::verifier::{TokenIssuer, Verifier, keys_for, usable_keys};
use crate::authz::names::Names;
use crate::authz::{Fact, Grants};
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::{RefreshOutcome, VerifyingKey};
use crate::redact::word;
use crate::token::{Compact, Header, Payload, TokenType, decode_base64url, parse_for_display};

impl Verifier {
    /// Runs every check on `token` and reports each: the verdict is the result of [`verify`](Self::verify).
    ///
    /// If the key is not cached, its source is asked once, within its cool-down, even if other checks
    /// fail. Cache and counters of the verifier stay unchanged.
    ///
    /// ```
    /// # async fn example(verifier: countersign_core::verify::Verifier, token: &str) {
    /// let report = verifier.explain(token).await;
    /// println!("{report}"); // a table: check, result, expected, found
    /// # }
    /// ```
    pub async fn explain(&self, token: &str) -> Report {
        self.explain_with(token, &Possession::NONE).await
    }

    /// As [`explain`](Self::explain), for a sender who has proven this.
    pub(super) async fn explain_with(&self, token: &str, possession: &Possession) -> Report {
        let (report, keys) = self.explain_given(token, possession, None);
        let Some(keys) = keys else { return report };
        let outcome = keys.refresh().await;
        self.explain_given(token, possession, Some(&outcome)).0
    }

    /// As [`explain`](Self::explain), with the cached keys: a key that is missing leaves the token undecided.
    #[must_use]
    pub fn explain_with_cached_keys(&self, token: &str) -> Report {
        self.explain_given(token, &Possession::NONE, None).0
    }

    /// The report, and the source to refresh if its answer could change the report.
    fn explain_given(
        &self,
        token: &str,
        possession: &Possession,
        outcome: Option<&RefreshOutcome>,
    ) -> (Report, Option<NeedsKeys>) {
        let inner = &*self.0.current.load();
        let (now, elapsed) = (self.0.clock.now(), self.0.clock.elapsed());
        let mut record = Record::default();
        let mut asks = None;

        let compact = record.form(token, inner.max_token_bytes);
        let header = compact.as_ref().and_then(|compact| record.step("header", Header::decode(compact.header)));
        record.needs(compact.is_some(), "header");
        let payload = compact
            .as_ref()
            .and_then(|compact| record.step("claims", Payload::decode(compact.payload, &inner.claim_names)));
        record.needs(compact.is_some(), "claims");
        let token_issuer = payload.as_ref().and_then(|payload| {
            let found = self.issuer_of(inner, payload, header.as_ref());
            record.step("issuer", found.map_err(|pending| pending.settle(outcome, &mut asks)))
        });
        record.needs(payload.is_some(), "issuer");
        let issuer = token_issuer.as_ref().map(TokenIssuer::issuer);
        let claim_names = token_issuer
            .as_ref()
            .map_or(&*inner.claim_names, |token_issuer| token_issuer.claim_names(&inner.claim_names));
        let payload = match payload {
            Some(payload) if *claim_names != *inner.claim_names => payload.read_again(claim_names).ok(),
            payload => payload,
        };
        record.compare(|| self.compare_issuer(payload.as_ref()));

        let case = issuer.zip(payload.as_ref()).map(|(issuer, payload)| Case {
            payload,
            token_type: header.as_ref().map_or(&TokenType::Absent, |header| &header.token_type),
            issuer,
            claim_names,
            reserved_subjects: &inner.reserved_subjects,
            possession,
            now,
            valid_at: now,
        });
        for rule in RULES {
            match issuer.and_then(|issuer| rule.explain(issuer, header.as_ref(), case.as_ref())) {
                Some((decided, compared)) => {
                    record.step(rule.name(), decided);
                    record.compare(|| compared);
                }
                None => record.needs(false, rule.name()),
            }
        }

        let current = issuer.map(|issuer| issuer.keys.cell().load());
        let keys = issuer.zip(current.as_ref()).zip(header.as_ref()).map(|((issuer, current), header)| {
            let current = usable_keys(issuer, current.as_ref(), elapsed)?;
            keys_for(issuer, current, header, inner.danger_denied)
        });
        let keys = record.rule("key", keys.map(|found| found.map_err(|pending| pending.settle(outcome, &mut asks))));
        if issuer.is_some() {
            record.compare(|| compare_key(header.as_ref(), keys.as_deref()));
        }
        record.rule("signature", compact.as_ref().zip(keys).map(|(compact, keys)| matching_key(compact, &keys)));
        let caller = record.rule(
            "authorities",
            issuer.zip(payload.as_ref()).map(|(issuer, payload)| inner.names.read(issuer, payload, claim_names)),
        );
        record.compare(|| Compared { expected: None, found: caller.map(|caller| authorities(&caller.grants)) });

        let report = Report {
            verdict: record.first_failure.as_ref().map_or(Verdict::Accepted, Verdict::from),
            header: compact.as_ref().and_then(|compact| json(compact.header)),
            claims: compact.as_ref().and_then(|compact| json(compact.payload)),
            checks: record.checks,
        };
        (report, asks)
    }

    fn compare_issuer(&self, payload: Option<&Payload>) -> Compared {
        let trusted = self.issuers().map(|issuer| issuer.issuer().to_owned());
        Compared { expected: Some(some_of(trusted)), found: payload.map(|payload| text(payload, payload.issuer)) }
    }
}

fn compare_key(header: Option<&Header>, keys: Option<&[&Arc<VerifyingKey>]>) -> Compared {
    let Some(header) = header else { return Compared::default() };
    let expected = match (&header.key_id, header.algorithm) {
        (Some(key_id), Some(algorithm)) => Some(format!("{} for {algorithm}", quoted(key_id))),
        (Some(key_id), None) => Some(quoted(key_id)),
        (None, Some(algorithm)) => Some(format!("one key for {algorithm}")),
        (None, None) => None,
    };
    Compared { expected, found: keys.map(|keys| some_of(keys.iter().map(|key| key.thumbprint().to_owned()))) }
}

/// `scopes orders:read; roles clerk; tenant none`.
pub(super) fn authorities(grants: &Grants) -> String {
    let list = |title: &str, names: &Names, fact: Fact| match grants.unknown.contains(fact) {
        true => format!("{title} unknown"),
        false => format!("{title} {}", some_of(names.iter().map(word))),
    };
    let mut parts = vec![list("scopes", &grants.scopes, Fact::Scopes), list("roles", &grants.roles, Fact::Roles)];
    for (title, names, fact) in
        [("permissions", &grants.permissions, Fact::Permissions), ("groups", &grants.groups, Fact::Groups)]
    {
        if !names.is_empty() || grants.unknown.contains(fact) {
            parts.push(list(title, names, fact));
        }
    }
    parts.push(match &grants.tenant {
        _ if grants.unknown.contains(Fact::Tenant) => "tenant unknown".to_owned(),
        Some(tenant) => format!("tenant {}", word(tenant.as_str())),
        None => "tenant none".to_owned(),
    });
    parts.join("; ")
}

fn json(segment: &str) -> Option<Value> {
    parse_for_display(&decode_base64url(segment)?)
}

/// The checks so far; the first failure is the verdict, as it is in production.
#[derive(Default)]
pub(super) struct Record {
    pub(super) checks: Vec<Check>,
    pub(super) first_failure: Option<VerifyError>,
}

impl Record {
    /// Records a check and returns its value.
    pub(super) fn step<T>(&mut self, name: &'static str, result: Result<T, VerifyError>) -> Option<T> {
        let (outcome, value) = match result {
            Ok(value) => (Outcome::Passed, Some(value)),
            Err(error) => {
                let outcome = Outcome::from(&error);
                self.first_failure.get_or_insert(error);
                (outcome, None)
            }
        };
        self.checks.push(Check { name, outcome, expected: None, found: None });
        value
    }

    /// Records a check; `None` if its input is missing.
    pub(super) fn rule<T>(&mut self, name: &'static str, result: Option<Result<T, VerifyError>>) -> Option<T> {
        match result {
            Some(result) => self.step(name, result),
            None => {
                self.needs(false, name);
                None
            }
        }
    }

    /// Records a check as not reached if its input is missing.
    pub(super) fn needs(&mut self, is_there: bool, name: &'static str) {
        if !is_there {
            self.checks.push(Check { name, outcome: Outcome::NotReached, expected: None, found: None });
        }
    }

    /// Adds the compared values to the last check.
    pub(super) fn compare(&mut self, values: impl FnOnce() -> Compared) {
        if let Some(check) = self.checks.last_mut() {
            let Compared { expected, found } = values();
            (check.expected, check.found) = (expected, found);
        }
    }

    /// Records size and form, which one step checks, as two checks.
    fn form<'t>(&mut self, token: &'t str, max_bytes: usize) -> Option<Compact<'t>> {
        let split = Compact::split(token, max_bytes);
        let (size, form) = match split {
            Err(error) if error.kind() == Kind::TooLarge => (Err(error), None),
            form => (Ok(()), Some(form)),
        };
        self.step("size", size);
        self.compare(|| Compared::new(format!("at most {max_bytes} bytes"), format!("{} bytes", token.len())));
        let compact = self.rule("form", form);
        self.compare(|| Compared { expected: Some("three segments".to_owned()), found: None });
        compact
    }
}
