//! `countersign trace`: who called whom, with which decision, from the audit lines of several services.

mod all;
mod graph;
mod line;
mod list;
mod read;
mod show;

use clap::Args;

use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use read::{Counts, Wanted};

/// The exit codes of this command.
const EXIT_CODES: &str = "\
Exit codes:
  0  found, and every decision is `allowed`
  1  found, and some decision is not, with --all in any transaction; with --list: there are such transactions
  2  invalid use: a bad option, an unreadable file
  3  not found: no line has this identifier; with --all: no line has any";

/// Show who called whom in one transaction, with which decision, from the audit lines of several services.
///
/// Reads JSON lines of `AuditWriter`, and JSON logs of tracing-subscriber with the same events, and ignores all others.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The transaction; with --list and --all there is none
    txn: Option<String>,
    /// The files with lines; no file, or -, is standard input
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// TXN is the trace id of the header traceparent, for services without transaction tokens. Anybody can write that header
    #[arg(long)]
    trace_id: bool,
    /// List the transactions in which a decision is not `allowed`
    #[arg(long)]
    list: bool,
    /// Show every transaction, in the order in which they begin
    #[arg(long, conflicts_with = "list")]
    all: bool,
    /// Print one JSON object: txn, decisions with number, parent and outcome, and what was not readable
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let Arguments { txn, files, trace_id, list, all, json } = self;
        if list || all {
            let files: Vec<String> = txn.into_iter().chain(files).collect();
            return if list { list::run(&files, trace_id, json) } else { all::run(&files, trace_id, json) };
        }
        let Some(id) = txn.filter(|id| !id.is_empty()) else {
            return Err(Failure::usage(
                "no transaction given; name its txn, show all (--all), or list those with refusals (--list)",
            ));
        };
        let wanted = if trace_id { Wanted::TraceId(id) } else { Wanted::Txn(id) };
        let (events, counts) = read::decisions(&wanted, &files)?;
        if json {
            output::json(&show::json(&wanted, &events, &graph::parents(&events), &counts))?;
        }
        if events.is_empty() {
            output::warn(&missing(&wanted, &counts));
            show::notes(&counts).iter().for_each(|note| output::warn(note));
            return Ok(Exit::Undecided);
        }
        if !json {
            show::tree(&wanted, &events, &graph::parents(&events))?;
            show::notes(&counts).iter().for_each(|note| output::note(&format!("countersign: {note}")));
        }
        Ok(if events.iter().all(line::Event::is_allowed) { Exit::Done } else { Exit::Rejected })
    }
}

/// Says why nothing was found, and what to configure.
fn missing(wanted: &Wanted, counts: &Counts) -> String {
    let id = output::quoted(wanted.id());
    match (wanted, counts) {
        (_, Counts { lines: 0, .. }) => "the input is empty".to_owned(),
        (_, Counts { events: 0, lines, .. }) => {
            format!(
                "none of {lines} lines is an audit event; give services an audit log (AuthenticateLayerBuilder::audit)"
            )
        }
        (Wanted::Txn(_), Counts { events, without_txn, .. }) if events == without_txn => format!(
            "none of {events} audit events has a txn; it comes from transaction tokens that the services verify. Without \
             them, --trace-id finds calls by the header traceparent"
        ),
        (Wanted::Txn(_), _) => format!("no audit event has the txn {id}"),
        (Wanted::TraceId(_), _) => format!("no audit event has the trace id {id}"),
    }
}
