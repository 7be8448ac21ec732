//! The pipeline run to its end: the steps and rules of [`Verifier::verify`], every one of them reported.

use serde_json::Value;

use super::compared;
use super::needs_keys::NeedsKeys;
use super::report::{Check, Outcome, Report, Verdict};
use super::rules::{Case, Decide, RULES};
use super::signature::matching_key;
use super::verifier::{Believed, Verifier, keys_for, usable_keys};
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::RefreshOutcome;
use crate::redact::safe_text;
use crate::token::{Compact, Header, Payload, decode_base64url, json_to_show};

impl Verifier {
    /// Runs every check on `token` and reports each: the verdict is what [`verify`](Self::verify) would say.
    ///
    /// If the key is not cached, its source is asked once, within its cool-down, whatever else is wrong with the
    /// token. The verified-token cache and the counters are left alone.
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
        let looked = keys.refresh().await;
        self.explain_given(token, Some(&looked)).0
    }

    /// As [`explain`](Self::explain), with the cached keys: a key that is missing leaves the token undecided.
    #[must_use]
    pub fn explain_with_cached_keys(&self, token: &str) -> Report {
        self.explain_given(token, None).0
    }

    /// The report, and the source to ask where its answer could change the report.
    fn explain_given(&self, token: &str, looked: Option<&RefreshOutcome>) -> (Report, Option<NeedsKeys>) {
        let inner = &*self.0;
        let (now, elapsed) = (inner.clock.now(), inner.clock.elapsed());
        let mut record = Record::default();
        let mut asks = None;

        let compact = record.form(token, inner.max_token_bytes);
        let header = compact.as_ref().and_then(|compact| record.step("header", Header::decode(compact.header)));
        record.needs(compact.is_some(), "header");
        let payload =
            compact.as_ref().and_then(|compact| record.step("claims", Payload::decode(compact.payload, &inner.wanted)));
        record.needs(compact.is_some(), "claims");
        let believed = payload.as_ref().and_then(|payload| {
            let found = self.issuer_of(payload, header.as_ref());
            record.step("issuer", found.map_err(|pending| pending.settle(looked, &mut asks)))
        });
        record.needs(payload.is_some(), "issuer");
        let issuer = believed.as_ref().map(Believed::issuer);
        let wanted = believed.as_ref().map_or(&*inner.wanted, |believed| believed.wanted(&inner.wanted));
        let payload = match payload {
            Some(payload) if *wanted != *inner.wanted => payload.read_again(wanted).ok(),
            payload => payload,
        };
        record.compare(|| compared::issuer(self, payload.as_ref()));

        for rule in RULES {
            let (header, payload) = (header.as_ref(), payload.as_ref());
            let decided = issuer.and_then(|issuer| match rule.decide {
                Decide::Header(decide) => header.map(|header| decide(header, issuer)),
                Decide::Claims(decide) => payload.map(|payload| {
                    decide(&Case { payload, issuer, wanted, reserved_subjects: &self.0.reserved_subjects, now })
                }),
            });
            record.rule(rule.name, decided);
            if let Some(issuer) = issuer {
                record.compare(|| compared::rule(rule.name, header, payload, issuer, now));
            }
        }

        let held = issuer.map(|issuer| issuer.keys.cell().load());
        let keys = issuer.zip(held.as_ref()).zip(header.as_ref()).map(|((issuer, held), header)| {
            let held = usable_keys(issuer, held.as_ref(), elapsed)?;
            keys_for(issuer, held, header, inner.danger_denied)
        });
        let keys = record.rule("key", keys.map(|found| found.map_err(|pending| pending.settle(looked, &mut asks))));
        if issuer.is_some() {
            record.compare(|| compared::key(header.as_ref(), keys.as_deref()));
        }
        record.rule("signature", compact.as_ref().zip(keys).map(|(compact, keys)| matching_key(compact, &keys)));
        record.rule(
            "authorities",
            issuer.zip(payload.as_ref()).map(|(issuer, payload)| issuer.authorities.read(payload, wanted)),
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
    json_to_show(&decode_base64url(segment)?)
}

/// The checks so far; the first failure is the verdict, as it is in production.
#[derive(Default)]
struct Record {
    checks: Vec<Check>,
    first_failure: Option<VerifyError>,
}

impl Record {
    /// Notes a check that was made; what it made comes back.
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

    /// Notes a check, made or not.
    fn rule<T>(&mut self, name: &'static str, result: Option<Result<T, VerifyError>>) -> Option<T> {
        match result {
            Some(result) => self.step(name, result),
            None => {
                self.needs(false, name);
                None
            }
        }
    }

    /// Notes a check that there was nothing for, unless its input was there.
    fn needs(&mut self, is_there: bool, name: &'static str) {
        if !is_there {
            self.checks.push(Check { name, outcome: Outcome::NotReached, expected: None, found: None });
        }
    }

    /// Adds the values compared to the last check.
    fn compare(&mut self, values: impl FnOnce() -> (Option<String>, Option<String>)) {
        if let Some(check) = self.checks.last_mut() {
            (check.expected, check.found) = values();
        }
    }

    /// Size and form are checked in one step, and are two checks to the reader.
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

/// Foreign text for a report's cell.
pub(super) fn shown(text: &str) -> String {
    format!("\"{}\"", safe_text(text))
}
