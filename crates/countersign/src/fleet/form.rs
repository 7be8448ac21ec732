//! The JSON form of reports: bounds, and text of others made visible.

use countersign_core::error::ConfigError;
use countersign_core::integration::{has_unique_names, visible_text};
use serde::{Deserialize, Serialize};

use super::report::FleetReport;
use crate::reload::ShadowReport;

/// The longest report that a plane takes, in bytes. One without its policy has about a kilobyte.
pub const MAX_REPORT_BYTES: usize = 64 * 1024;

/// The path on a plane to which reports are posted.
pub const REPORTS_PATH: &str = "/v1/reports";

/// The longest report that is read from a route or a file, in bytes: with the largest policy.
const MAX_READ_BYTES: usize = 1024 * 1024;

/// The most issuers and weakenings in a report.
pub(super) const MAX_LISTED: usize = 64;

/// The longest name, in characters: of a service, an instance, a version, an issuer.
const MAX_NAME_CHARS: usize = 256;

/// The longest code, in bytes.
const MAX_CODE_BYTES: usize = 64;

/// The longest reason in words, in characters.
const MAX_REASON_CHARS: usize = 512;

/// The answer of a plane to a report.
///
/// ```
/// use countersign::fleet::ReportAnswer;
///
/// let answer: ReportAnswer = serde_json::from_str(r#"{"wants_policy":true}"#).unwrap();
/// assert!(answer.wants_policy);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportAnswer {
    /// The plane does not have the policy of this fingerprint, so the next report should contain it.
    #[serde(default)]
    pub wants_policy: bool,
}

impl FleetReport {
    /// The report as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // strings, numbers and maps with text as keys: cannot fail
    }

    /// Reads a report that anyone may have written. Invisible characters in it are escaped, and texts are cut.
    ///
    /// Members that this version does not know are ignored.
    ///
    /// # Errors
    /// `ConfigError` on field `report` if it is longer than 1 MiB, is no report, repeats a name, or lists more than
    /// 64 issuers or weakenings.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let fault = |problem: String| ConfigError::new("report", problem);
        if json.len() > MAX_READ_BYTES {
            return Err(fault(format!("longer than {MAX_READ_BYTES} bytes")));
        }
        let mut report: FleetReport = serde_json::from_str(json)
            .map_err(|error| fault(format!("not a report: {}", shown(&error.to_string(), MAX_REASON_CHARS))))?;
        if !has_unique_names(json) {
            return Err(fault("has a name twice".to_owned()));
        }
        if report.service.is_empty() || report.instance.is_empty() {
            return Err(fault("service or instance is empty".to_owned()));
        }
        if report.issuers.len().max(report.weakenings.len()) > MAX_LISTED {
            return Err(fault(format!("has more than {MAX_LISTED} issuers or weakenings")));
        }
        if report.shadow.as_ref().is_some_and(|shadow| !has_codes(shadow)) {
            return Err(fault("has a shadow with codes that are none".to_owned()));
        }
        report.make_visible();
        Ok(report)
    }

    /// Escapes what a reader could not see, and cuts what is too long.
    pub(super) fn make_visible(&mut self) {
        let names = [&mut self.service, &mut self.instance, &mut self.library, &mut self.fingerprint];
        let names = names.into_iter().chain(&mut self.version).chain(&mut self.weakenings);
        let of_issuers =
            self.issuers.iter_mut().flat_map(|known| [&mut known.issuer].into_iter().chain(&mut known.key_set));
        names.chain(of_issuers).for_each(|name| cut(name, MAX_NAME_CHARS));
        if let Some(bundle) = &mut self.bundle {
            cut(&mut bundle.fleet, MAX_NAME_CHARS);
            cut(&mut bundle.source, MAX_REASON_CHARS);
            bundle.last_good_error.iter_mut().for_each(|reason| cut(reason, MAX_REASON_CHARS));
        }
        if let Some(shadow) = &mut self.shadow {
            cut(&mut shadow.source, MAX_REASON_CHARS);
            shadow.fingerprint.iter_mut().for_each(|fingerprint| cut(fingerprint, MAX_NAME_CHARS));
            shadow.error.iter_mut().for_each(|error| cut(error, MAX_REASON_CHARS));
        }
        if let Some(refusal) = &mut self.refusal {
            cut(&mut refusal.field, MAX_NAME_CHARS);
            refusal.code.iter_mut().for_each(|code| cut(code, MAX_NAME_CHARS));
            cut(&mut refusal.problem, MAX_REASON_CHARS);
        }
    }
}

/// Returns whether a shadow counts by codes: a few words of lower case letters.
fn has_codes(shadow: &ShadowReport) -> bool {
    let is_code = |code: &String| {
        (1..=MAX_CODE_BYTES).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let all = [&shadow.newly_refused, &shadow.newly_admitted];
    all.iter().all(|counts| counts.len() <= MAX_LISTED && counts.keys().all(is_code))
}

fn cut(text: &mut String, max_chars: usize) {
    *text = shown(text, max_chars);
}

/// Text without invisible characters, cut after `max_chars`.
fn shown(text: &str, max_chars: usize) -> String {
    let visible = visible_text(text);
    match visible.char_indices().nth(max_chars) {
        None => visible,
        Some((_, '…')) if visible.chars().nth(max_chars + 1).is_none() => visible, // it was cut before
        Some((end, _)) => format!("{}…", visible.get(..end).unwrap_or_default()),
    }
}
