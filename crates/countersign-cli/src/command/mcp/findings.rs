//! Findings about a server, each fault with its remedy.

use reqwest::Url;

use crate::command::level::Level;
use crate::fetch;
use crate::output;

/// A scope for refresh tokens, which are no matter of the server.
const OFFLINE_ACCESS: &str = "offline_access";

/// All findings.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The address of the server's metadata.
    pub(super) metadata: Option<String>,
    pub(super) authorization_servers: Vec<String>,
    /// The scopes that the challenge names.
    pub(super) scopes: Vec<String>,
    pub(super) list: Vec<Finding>,
    /// True if the server or an authorization server gave no answer.
    pub(super) is_unreachable: bool,
}

#[derive(Debug)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) code: &'static str,
    pub(super) text: String,
    pub(super) remedy: Option<String>,
}

impl Findings {
    pub(super) fn ok(&mut self, code: &'static str, text: impl AsRef<str>) {
        self.note(Level::Ok, code, text.as_ref(), None);
    }

    pub(super) fn warning(&mut self, code: &'static str, text: impl AsRef<str>, remedy: impl AsRef<str>) {
        self.note(Level::Warning, code, text.as_ref(), Some(remedy.as_ref()));
    }

    pub(super) fn fault(&mut self, code: &'static str, text: impl AsRef<str>, remedy: impl AsRef<str>) {
        self.note(Level::Fault, code, text.as_ref(), Some(remedy.as_ref()));
    }

    /// A missing answer, which decides nothing.
    pub(super) fn unreachable(&mut self, address: &Url, problem: &str) {
        self.is_unreachable = true;
        let remedy = "start the server, or correct the address; --roots and --proxy are for private networks";
        self.fault("unreachable", format!("{address}: {problem}"), remedy);
    }

    /// Notes `offline_access` among these scopes.
    pub(super) fn offline_access(&mut self, scopes: &[String], place: &str) {
        if scopes.iter().any(|scope| scope == OFFLINE_ACCESS) {
            let text = format!("{place} names {OFFLINE_ACCESS}, which is a matter of client and authorization server");
            self.warning(OFFLINE_ACCESS, text, format!("remove {OFFLINE_ACCESS}"));
        }
    }

    /// The address `text` that `server` names, if it may be fetched: https, or loopback for a server on loopback.
    pub(super) fn address(&mut self, code: &'static str, name: &str, text: &str, server: &Url) -> Option<Url> {
        let is_local = |url: &Url| fetch::is_loopback(url.host_str().unwrap_or_default());
        match fetch::address(text) {
            Ok(url) if is_local(&url) && !is_local(server) => {
                let text = format!("{name} is {}: on loopback, though {server} is not", output::word(text));
                self.fault(code, text, "name the public address");
                None
            }
            Ok(url) => Some(url),
            Err(_) => {
                let text = format!("{name} is {}: no address that clients fetch", output::word(text));
                self.fault(code, text, "write the whole address; it begins with https://");
                None
            }
        }
    }

    fn note(&mut self, level: Level, code: &'static str, text: &str, remedy: Option<&str>) {
        self.list.push(Finding { level, code, text: output::safe(text), remedy: remedy.map(output::safe) });
    }
}

/// `scopes` as a part of an output line.
pub(super) fn listed(scopes: &[String]) -> String {
    scopes.iter().map(|scope| output::word(scope)).collect::<Vec<_>>().join(" ")
}
