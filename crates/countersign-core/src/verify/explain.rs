//! The steps and rules of [`Verifier::verify`], all of them run and reported.

use serde_json::Value;

use super::compared;
use super::needs_keys::NeedsKeys;
use super::report::{Check, Outcome, Report, Verdict};
use super::rules::{Case, Decide, RULES};
use super::signature::matching_key;
use super::verifier::{TokenIssuer, Verifier, keys_for, usable_keys};
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::RefreshOutcome;
use crate::redact::safe_text;
use crate::token::{Compact, Header, Payload, decode_base64url, parse_for_display};

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
        let (report, keys) = self.explain_given(token, None);
        let Some(keys) = keys else { return report };
        let outcome = keys.refresh().await;
        self.explain_given(token, Some(&outcome)).0
    }

    /// As [`explain`](Self::explain), with the cached keys: a key that is missing leaves the token undecided.
    #[must_use]
    pub fn explain_with_cached_keys(&self, token: &str) -> Report {
        self.explain_given(token, None).0
    }

    /// The report, and the source to refresh if its answer could change the report.
    fn explain_given(&self, token: &str, outcome: Option<&RefreshOutcome>) -> (Report, Option<NeedsKeys>) {
        let inner = &*self.0;
        let (now, elapsed) = (inner.clock.now(), inner.clock.elapsed());
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
            let found = self.issuer_of(payload, header.as_ref());
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
        record.compare(|| compared::issuer(self, payload.as_ref()));

        for rule in RULES {
            let (header, payload) = (header.as_ref(), payload.as_ref());
            let decided = issuer.and_then(|issuer| match rule.decide {
                Decide::Header(decide) => header.map(|header| decide(header, issuer)),
                Decide::Claims(decide) => payload.map(|payload| {
                    decide(&Case { payload, issuer, claim_names, reserved_subjects: &self.0.reserved_subjects, now })
                }),
            });
            record.rule(rule.name, decided);
            if let Some(issuer) = issuer {
                record.compare(|| compared::rule(rule.name, header, payload, issuer, now));
            }
        }

        let current = issuer.map(|issuer| issuer.keys.cell().load());
        let keys = issuer.zip(current.as_ref()).zip(header.as_ref()).map(|((issuer, current), header)| {
            let current = usable_keys(issuer, current.as_ref(), elapsed)?;
            keys_for(issuer, current, header, inner.danger_denied)
        });
        let keys = record.rule("key", keys.map(|found| found.map_err(|pending| pending.settle(outcome, &mut asks))));
        if issuer.is_some() {
            record.compare(|| compared::key(header.as_ref(), keys.as_deref()));
        }
        record.rule("signature", compact.as_ref().zip(keys).map(|(compact, keys)| matching_key(compact, &keys)));
        record.rule(
            "authorities",
            issuer.zip(payload.as_ref()).map(|(issuer, payload)| issuer.authorities.read(payload, claim_names)),
        );

        let report = Report {
            verdict: record.first_failure.as_ref().map_or(Verdict::Accepted, Verdict::from),
            header: compact.as_ref().and_then(|compact| json(compact.header)),
            claims: compact.as_ref().and_then(|compact| json(compact.payload)),
            checks: record.checks,
        };
        (report, asks)
    }
}

fn json(segment: &str) -> Option<Value> {
    parse_for_display(&decode_base64url(segment)?)
}

/// The checks so far; the first failure is the verdict, as it is in production.
#[derive(Default)]
struct Record {
    checks: Vec<Check>,
    first_failure: Option<VerifyError>,
}

impl Record {
    /// Records a check and returns its value.
    fn step<T>(&mut self, name: &'static str, result: Result<T, VerifyError>) -> Option<T> {
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
    fn rule<T>(&mut self, name: &'static str, result: Option<Result<T, VerifyError>>) -> Option<T> {
        match result {
            Some(result) => self.step(name, result),
            None => {
                self.needs(false, name);
                None
            }
        }
    }

    /// Records a check as not reached if its input is missing.
    fn needs(&mut self, is_there: bool, name: &'static str) {
        if !is_there {
            self.checks.push(Check { name, outcome: Outcome::NotReached, expected: None, found: None });
        }
    }

    /// Adds the compared values to the last check.
    fn compare(&mut self, values: impl FnOnce() -> (Option<String>, Option<String>)) {
        if let Some(check) = self.checks.last_mut() {
            (check.expected, check.found) = values();
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
        self.compare(|| (Some(format!("at most {max_bytes} bytes")), Some(format!("{} bytes", token.len()))));
        let compact = self.rule("form", form);
        self.compare(|| (Some("three segments".to_owned()), None));
        compact
    }
}

/// Untrusted text in quotes, safe to log.
pub(super) fn shown(text: &str) -> String {
    format!("\"{}\"", safe_text(text))
}
