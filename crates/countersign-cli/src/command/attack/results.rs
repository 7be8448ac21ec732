//! The results of a run.

use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::output::{self, Tone, toned};

/// The answer to one attack.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) status: Option<u16>,
    pub(super) expected: u16,
    pub(super) outcome: &'static str,
}

/// An attack that was not sent.
pub(super) struct Skipped {
    pub(super) name: &'static str,
    pub(super) reason: String,
}

/// The results of a run.
pub(super) struct Run {
    /// The statuses of the valid token, before and after the attacks.
    pub(super) valid: Vec<Option<u16>>,
    pub(super) without_token: Option<u16>,
    pub(super) rows: Vec<Row>,
    /// The attacks that the service leaves no room for: it does not take what they forge.
    pub(super) skipped: Vec<Skipped>,
    pub(super) message: String,
    pub(super) exit: Exit,
}

impl Run {
    pub(super) fn as_json(&self, url: &str) -> Value {
        let rows = self.rows.iter().map(
            |row| json!({ "name": row.name, "status": row.status, "expected": row.expected, "outcome": row.outcome }),
        );
        let skipped = self.skipped.iter().map(|skipped| json!({ "name": skipped.name, "reason": skipped.reason }));
        json!({
            "url": url,
            "message": self.message,
            "proves": self.exit != Exit::Undecided,
            "valid": self.valid,
            "without_token": self.without_token,
            "attacks": rows.collect::<Vec<_>>(),
            "skipped": skipped.collect::<Vec<_>>(),
        })
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        for row in self.rows.iter().filter(|row| row.outcome != "refused") {
            let status = row.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            let line = format!("{:<14} {:<34} {status}, expected {}", row.outcome, row.name, row.expected);
            output::line(&toned(Tone::Bad, &line))?;
        }
        if let Some(first) = self.skipped.first() {
            let text = format!("{} attacks on bound tokens were skipped: {}.", self.skipped.len(), first.reason);
            output::line(&toned(Tone::Quiet, &output::safe(&text)))?;
        }
        let tone = match self.exit {
            Exit::Done => Tone::Good,
            Exit::Rejected => Tone::Bad,
            _ => Tone::Doubt,
        };
        output::line(&toned(tone, &output::safe(&self.message)))
    }
}
