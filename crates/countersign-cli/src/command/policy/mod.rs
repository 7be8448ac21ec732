//! `countersign policy`: validates a policy as a service does at start-up, and prints it as read.

mod files;
pub(super) mod toml_text;

use clap::{Args, Subcommand};
use countersign::error::{ConfigError, Fault};
use countersign::keys;
use countersign::outbound::Outbound;
use countersign::policy::Policy;
use countersign::verify::{TransactionVerifier, Verifier};
use serde_json::{Value, json};

use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::input;
use crate::output::{self, Tone, toned};
use crate::verification::read_policy;

/// Check the policies that services read.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Check whether a service would start, list weakened checks and unreadable files, print the fingerprint. Fetches nothing. Exit code 1 if invalid
    Check {
        #[command(flatten)]
        source: Source,
        /// Print one JSON object: usable, faults, weakenings, warnings, fingerprint, policy
        #[arg(long)]
        json: bool,
    },
    /// Print the policy that a service reads as TOML, with what its presets give
    Show {
        #[command(flatten)]
        source: Source,
    },
}

/// The location of the policy.
#[derive(Args)]
struct Source {
    /// A policy in TOML or JSON; - for standard input
    #[arg(value_name = "FILE", required_unless_present = "env")]
    file: Option<String>,
    /// Read the policy from environment variables with this prefix instead
    #[arg(long, value_name = "PREFIX", conflicts_with = "file")]
    env: Option<String>,
    /// The table of the policy within the file, such as auth or services.auth
    #[arg(long, value_name = "TABLE", conflicts_with = "env")]
    at: Option<String>,
}

impl Source {
    /// The policy; the outer result is about the file, the inner one about its content.
    fn read(&self) -> Result<Result<Policy, Failure>, Failure> {
        match (&self.file, &self.env) {
            (_, Some(prefix)) => Ok(Policy::from_env(prefix).map_err(Failure::from)),
            (Some(path), None) => Ok(read_policy(&input::file(path)?, self.at.as_deref())),
            (None, None) => Err(Failure::usage("the policy is missing; name a file")),
        }
    }
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        match self.action {
            Action::Check { source, json } => check(source.read()?, json),
            Action::Show { source } => {
                output::line(toml_text::with_visible_strings(&source.read()??.to_toml()).trim_end())?;
                Ok(Exit::Done)
            }
        }
    }
}

fn check(read: Result<Policy, Failure>, json: bool) -> Outcome {
    let (policy, faults) = match read {
        Ok(policy) => {
            let faults = faults(&policy);
            (Some(policy), faults)
        }
        Err(failure) => (
            None,
            vec![{
                let problem = failure.to_string(); // begins with the same field
                json!({ "field": "policy", "problem": problem.strip_prefix("policy: ").unwrap_or(&problem) })
            }],
        ),
    };
    let weakenings: Vec<String> = policy.iter().flat_map(Policy::weakenings).collect();
    let usable = policy.as_ref().filter(|_| faults.is_empty());
    let warnings = usable.map(files::warnings).unwrap_or_default();
    let fingerprint = usable.and_then(fingerprint);
    if json {
        // One that is refused may be refused because it holds a password.
        let policy: Option<Value> = usable.and_then(|policy| serde_json::from_str(&policy.to_json()).ok());
        output::json(&json!({
            "usable": faults.is_empty(),
            "faults": faults,
            "weakenings": weakenings,
            "warnings": warnings,
            "fingerprint": fingerprint,
            "policy": policy,
        }))?;
    } else {
        print(policy.as_ref(), &faults, &weakenings, &warnings, fingerprint.as_deref())?;
    }
    Ok(if faults.is_empty() { Exit::Done } else { Exit::Rejected })
}

/// Every fault that prevents a service from starting.
fn faults(policy: &Policy) -> Vec<Value> {
    let verifier = Verifier::builder().policy(policy, keys::from_config).build().err();
    // Without bindings, a service makes a client only for the sake of its issuers; the connection's own faults are the same.
    let has_calls = !policy.outbound.is_empty() || policy.connection.is_some();
    let outbound = has_calls.then(|| Outbound::from_config(policy).err()).flatten();
    let transactions = || TransactionVerifier::builder_for(policy, keys::from_config)?.build().map(drop);
    let transactions = policy.transactions.as_ref().and_then(|_| transactions().err());
    let mut faults: Vec<Fault> = Vec::new();
    for fault in [verifier, outbound, transactions].iter().flatten().flat_map(ConfigError::faults) {
        if !faults.contains(fault) {
            faults.push(fault.clone()); // both read the connection
        }
    }
    faults.iter().map(|fault| json!({ "field": fault.field, "problem": fault.problem })).collect()
}

fn fingerprint(policy: &Policy) -> Option<String> {
    let verifier = Verifier::builder().policy(policy, keys::from_config).build().ok()?;
    Some(verifier.fingerprint().to_string())
}

fn print(
    policy: Option<&Policy>,
    faults: &[Value],
    weakenings: &[String],
    warnings: &[Value],
    fingerprint: Option<&str>,
) -> Result<(), Failure> {
    let text = |value: &Value, name: &str| output::safe(value[name].as_str().unwrap_or_default());
    match faults {
        [] => output::line(&toned(Tone::Good, "valid: a service starts with it"))?,
        faults => {
            output::line(&toned(Tone::Bad, "invalid: a service does not start with it"))?;
            for fault in faults {
                output::line(&format!("  {}: {}", text(fault, "field"), text(fault, "problem")))?;
            }
        }
    }
    for weakening in weakenings {
        output::line(&toned(Tone::Doubt, &format!("  weakened: {}", output::safe(weakening))))?;
    }
    for warning in warnings {
        let line = format!("  warning: {}: {}", text(warning, "field"), text(warning, "problem"));
        output::line(&toned(Tone::Doubt, &line))?;
    }
    for issuer in policy.iter().flat_map(|policy| &policy.issuers) {
        output::line(&format!(
            "  {} for {}",
            output::safe(&issuer.issuer),
            output::safe(&issuer.audience.names().join(" or "))
        ))?;
        if let Some(lists) = &issuer.status_lists {
            let required = if lists.required { ", required" } else { "" };
            let locations = output::safe(&lists.locations.join(" or "));
            output::line(&format!("    status lists at {locations}{required}"))?;
        }
    }
    for binding in policy.iter().flat_map(|policy| &policy.outbound).filter(|_| faults.is_empty()) {
        let tokens = match (&binding.client, &binding.token_file) {
            (Some(client), _) => format!("tokens of the client {client}"),
            (None, file) => format!("the token in {}", file.as_deref().unwrap_or_default()),
        };
        output::line(&output::safe(&format!("  calls {} with {tokens}", binding.origin)))?;
    }
    match fingerprint {
        Some(fingerprint) => output::line(&format!("fingerprint {fingerprint}")),
        None => Ok(()),
    }
}
