//! A fleet: twelve services under signed policies, a plane that collects their reports, and an operator who changes the policy.
//!
//! `cargo run --example fleet` runs six steps and exits with 0 only if every check holds.
//! `cargo run --example fleet -- --stay` keeps everything running after that, and prints commands to try.
//! `cargo run --example fleet -- countersign ARGUMENTS` is the `countersign` command. The example starts itself in this form to run
//! the plane, `countersign fleet status` and the others.

mod answers;
mod bundles;
mod command;
mod documents;
mod fleet;
mod issuer;
mod redis;
mod report;
mod revocations;
mod scenario;
#[allow(dead_code, reason = "the mesh uses all of it")]
#[path = "../mesh/server.rs"]
mod server;
mod service;

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The arguments of the example.
#[derive(Clone, Copy, Default)]
struct Options {
    /// Keeps everything running after the last step.
    stay: bool,
    /// For the test of the example: the tokens of step 1 are for other services, so that the step fails.
    has_wrong_tokens: bool,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == command::NAME) {
        return countersign_cli::run(arguments);
    }
    let ended = options().and_then(|options| tokio::runtime::Runtime::new()?.block_on(run(options)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the fleet failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options> {
    let mut options = Options::default();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--stay" => options.stay = true,
            "--wrong-tokens" => options.has_wrong_tokens = true,
            other => {
                let known = "the known ones are --stay, and countersign with its arguments";
                return Err(format!("unknown argument {other}; {known}").into());
            }
        }
    }
    Ok(options)
}

/// Runs the scenario. On Ctrl-C and SIGTERM, the programs that were started end too.
async fn run(options: Options) -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut end = std::pin::pin!(async {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    });
    let fleet = tokio::select! {
        ended = scenario::run(options) => ended?,
        () = &mut end => return Err("ended by a signal before the last step".into()),
    };
    if options.stay {
        let plane = &fleet.parts.plane.url;
        println!("\nEverything keeps running. The page: {plane}/\n");
        for [action, more] in [["status", " --all"], ["diff", " --except audience"], ["shadow", ""]] {
            println!("  cargo run --example fleet -- countersign fleet {action} --plane {plane}{more}");
        }
        println!("\nCtrl-C stops it.");
        end.await;
    }
    Ok(())
}
