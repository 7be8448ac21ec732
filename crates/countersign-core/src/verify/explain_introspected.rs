//! The checks of an introspection answer, all of them run and reported.

use std::borrow::Cow;

use serde_json::Value;

use super::binding::{Binding, Possession};
use super::compared::{Compared, quoted, text};
use super::explain::{Record, authorities};
use super::introspected::{Introspected, MAX_ANSWER_BYTES, SignedAnswer, check_signed_answer, read_introspection};
use super::report::{Report, Verdict};
use super::rules::{Case, RULES};
use super::verifier::Verifier;
use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::redact::safe_text;
use crate::token::{Payload, TokenType, parse_for_display};

/// The settings by which an introspection answer is explained, as of a layer.
#[derive(Clone, Copy, Debug)]
pub struct ExplainedAnswer<'a> {
    /// The issuer, which the policy trusts and whose rules apply.
    pub issuer: &'a str,
    /// The client that asked: signed answers are for it.
    pub client_id: &'a str,
    /// The audience of an answer without `aud`; `None` if such answers are refused.
    pub absent_audience: Option<&'a str>,
    /// Only signed answers are taken (RFC 9701), and else only unsigned ones.
    pub is_signed: bool,
}

/// Runs every check on the answer of an introspection endpoint (RFC 7662, or signed by RFC 9701) and reports each.
///
/// The verdict is that of a layer with these settings: an answer that says nothing usable about the token leaves it undecided,
/// with the code `introspection_unavailable`. What the token is bound to counts as proven.
///
/// ```
/// # async fn example(verifier: countersign_core::verify::Verifier) {
/// use countersign_core::integration::{ExplainedAnswer, explain_introspection};
///
/// let settings = ExplainedAnswer {
///     issuer: "https://id.example.com",
///     client_id: "orders",
///     absent_audience: None,
///     is_signed: false,
/// };
/// let report = explain_introspection(&verifier, br#"{"active":"true"}"#, &settings).await;
/// assert_eq!(report.verdict.code(), Some("not_active"));
/// # }
/// ```
pub async fn explain_introspection(verifier: &Verifier, answer: &[u8], settings: &ExplainedAnswer<'_>) -> Report {
    let mut record = Record::default();
    let size = match answer.len() > MAX_ANSWER_BYTES {
        true => Err(unusable("the answer is too long")),
        false => Ok(()),
    };
    let is_read = record.step("size", size).is_some();
    let found = format!("{} bytes", answer.len());
    record.compare(|| Compared::new(format!("at most {MAX_ANSWER_BYTES} bytes"), found));
    let members = match is_read {
        true => signed_form(verifier, answer, settings, &mut record).await,
        false => None,
    };
    let shown: Option<Value> = members.as_deref().and_then(parse_for_display);
    let claims = members.and_then(|members| record.answer(&members, shown.as_ref(), settings.absent_audience));
    record.claims(verifier, claims, settings.issuer);
    Report {
        verdict: record.first_failure.as_ref().map_or(Verdict::Accepted, Verdict::from),
        header: None,
        claims: shown,
        checks: record.checks,
    }
}

/// Records whether the answer is signed as the settings demand, and returns its members.
async fn signed_form(
    verifier: &Verifier,
    answer: &[u8],
    settings: &ExplainedAnswer<'_>,
    record: &mut Record,
) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(answer).unwrap_or_default().trim();
    let is_signed = !text.starts_with('{') && text.matches('.').count() == 2;
    let words = |is_signed: bool| if is_signed { "a signed answer" } else { "JSON" };
    let as_demanded = match (settings.is_signed, is_signed) {
        (true, false) => Err(unusable("the answer is not signed, and the settings require that")),
        (false, true) => Err(unusable("the answer is signed, and the settings do not expect that")),
        _ => Ok(()),
    };
    let is_usable = record.step("form of the answer", as_demanded).is_some();
    record.compare(|| Compared::new(words(settings.is_signed), words(is_signed)));
    if !is_signed || !is_usable {
        return is_usable.then(|| answer.to_vec());
    }
    let check = |outcome: Option<&_>| check_signed_answer(verifier, settings.issuer, settings.client_id, text, outcome);
    let mut checked = check(None);
    if let SignedAnswer::NeedsKeys(keys) = &checked {
        let outcome = keys.refresh().await;
        checked = check(Some(&outcome));
    }
    let checked = match checked {
        SignedAnswer::Genuine(members) => Ok(members),
        SignedAnswer::Refused(error) => Err(unusable(format!("the signed answer cannot be used: {error}"))),
        SignedAnswer::NeedsKeys(_) => Err(unusable("the key of the signed answer is not here")),
    };
    record.step("signed answer", checked)
}

fn unusable(detail: impl Into<Cow<'static, str>>) -> VerifyError {
    VerifyError::new(Kind::IntrospectionUnavailable, detail)
}

impl Record {
    /// Records the members of RFC 7662, which one step checks, and returns the claims of an active token.
    fn answer(&mut self, members: &[u8], shown: Option<&Value>, absent_audience: Option<&str>) -> Option<Vec<u8>> {
        let read = read_introspection(members, absent_audience);
        if let Err(error) = &read
            && error.kind() == Kind::Malformed
        {
            self.step::<()>("JSON", Err(unusable(error.detail().to_owned())));
            return None;
        }
        self.step("JSON", Ok(()));
        let found = |name: &str| match shown.and_then(|shown| shown.get(name)) {
            None => "nothing".to_owned(),
            Some(Value::String(text)) => quoted(text),
            Some(other) => safe_text(&other.to_string()),
        };
        let active = match &read {
            Ok(Introspected::Inactive) => Err(VerifyError::not_active()),
            _ => Ok(()),
        };
        let is_active = self.step("active", active).is_some();
        self.compare(|| Compared::new("true", found("active")));
        let claims = is_active.then(|| match read {
            Ok(Introspected::Active(claims)) => Ok(claims),
            Ok(Introspected::Inactive) => Err(VerifyError::not_active()),
            Err(error) => Err(error),
        });
        let claims = self.rule("token type", claims);
        self.compare(|| Compared::new("Bearer or DPoP", found("token_type")));
        claims
    }

    /// Records the rules for the claims of an active token.
    fn claims(&mut self, verifier: &Verifier, claims: Option<Vec<u8>>, issuer: &str) {
        let revision = &*verifier.0.current.load();
        let trusted = revision.issuers.get(issuer);
        let payload = claims.map(|claims| Payload::parse(claims, &revision.claim_names));
        let payload = self.rule("claims", payload);
        let named = payload.as_ref().and_then(|payload| payload.issuer.map(|name| payload.text(name)));
        let agrees = match (trusted, named) {
            (None, _) => Err(VerifyError::new(Kind::UnknownIssuer, "the policy does not trust this issuer")),
            (Some(trusted), Some(named)) if named != trusted.issuer() => {
                Err(VerifyError::mismatch(Kind::UnknownIssuer, "iss", trusted.issuer(), named))
            }
            _ => Ok(()),
        };
        self.rule("issuer", payload.as_ref().map(|_| agrees));
        self.compare(|| Compared {
            expected: Some(format!("{issuer} or nothing")),
            found: payload.as_ref().map(|payload| text(payload, payload.issuer)),
        });
        let proven = payload.as_ref().and_then(|payload| Binding::of(payload).ok());
        let possession = Possession::of(proven.flatten().as_deref());
        let now = verifier.0.clock.now();
        let case = trusted.zip(payload.as_ref()).map(|(issuer, payload)| Case {
            payload,
            token_type: &TokenType::AccessToken,
            issuer,
            claim_names: &revision.claim_names,
            reserved_subjects: &revision.reserved_subjects,
            possession: &possession,
            now,
            valid_at: now,
        });
        for rule in RULES.iter().filter(|rule| rule.is_for_claims()) {
            match trusted.and_then(|issuer| rule.explain(issuer, None, case.as_ref())) {
                Some((decided, compared)) => {
                    self.step(rule.name(), decided);
                    self.compare(|| compared);
                }
                None => self.needs(false, rule.name()),
            }
        }
        let caller = trusted.zip(payload.as_ref());
        let caller = caller.map(|(issuer, payload)| revision.names.read(issuer, payload, &revision.claim_names));
        let caller = self.rule("authorities", caller);
        self.compare(|| Compared { expected: None, found: caller.map(|caller| authorities(&caller.grants)) });
    }
}
