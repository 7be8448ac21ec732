//! `countersign plane`: collects the reports of many services.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use countersign::clock::{Clock, SystemClock};
use countersign::fleet::MAX_REPORT_BYTES;
use countersign::reload::PolicyFile;
use serde_json::json;
use tokio::net::TcpListener;

use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::plane::{Access, Store, refusal, router};
use crate::server::{Limits, serve_guarded, shutdown_signal};
use crate::{log, output, runtime};

/// The most open connections. Reporters keep theirs open for a while, and after a publication all of them report within seconds.
const MAX_CONNECTIONS: usize = 4096;

/// Collect the reports of many services, and show them on a page.
///
/// It keeps the last report of each instance in memory. With a policy, services report with a token that has the scope
/// fleet:report, each only for the service of its client's name, and readers need the scope fleet:read. Without one,
/// everybody on this machine may do both. It serves plain HTTP; beyond this machine a proxy must terminate TLS.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
    /// The policy for the tokens of services and readers, in TOML or JSON; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A service that another client reports for: SERVICE=CLIENT; may be repeated
    #[arg(long, value_name = "SERVICE=CLIENT", requires = "policy")]
    client: Vec<String>,
    /// Listen beyond loopback; a proxy terminates TLS
    #[arg(long, requires = "policy")]
    behind_tls: bool,
    /// Print the listening address as one JSON object: address
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let address = self.listen;
        if !address.ip().is_loopback() && !self.behind_tls {
            let problem = "is beyond loopback; give a --policy, and add --behind-tls if a proxy terminates TLS";
            return Err(Failure::usage(format!("listen: {address} {problem}")));
        }
        let access = Access::from_options(&self.client)?;
        let _log = log::start()?; // before the verifier is built, which logs what is weakened
        let runtime = runtime::with_all_cores()?;
        let _within = runtime.enter(); // the policy is watched from it
        let policy = self.policy.as_ref().map(|path| PolicyFile::new(path).build()).transpose()?;
        let verifier = policy.as_ref().map(|policy| policy.verifier().clone());
        let is_open = verifier.is_none();
        let store = Arc::new(Store::new(Arc::new(SystemClock) as Arc<dyn Clock>));
        let router = router(store, verifier, access)?;
        runtime.block_on(async {
            let unusable = |error: std::io::Error| Failure::usage(format!("listen: {address}: {error}"));
            let listener = TcpListener::bind(address).await.map_err(unusable)?;
            let address = listener.local_addr().map_err(unusable)?.to_string();
            let end = shutdown_signal()?;
            match self.json {
                true => output::json(&json!({ "address": address }))?,
                false => output::line(&format!("takes reports at http://{address}  (stop with Ctrl-C)"))?,
            }
            let limits = Limits::new(MAX_REPORT_BYTES).with(NonZero::new(MAX_CONNECTIONS), None, None);
            let guard = move |request: &_| if is_open { refusal(request) } else { None };
            serve_guarded(listener, guard, router, limits, end).await;
            Ok(Exit::Done)
        })
    }
}
