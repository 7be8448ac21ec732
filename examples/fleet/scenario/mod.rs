//! The scenario: six steps of an operator.

mod faults;
mod page;
mod revisions;
mod session;

use std::time::{Duration, Instant};

use crate::answers::WITHIN;
use crate::command::{self, Ended};
use crate::fleet::Fleet;
use crate::report::{Report, seconds};
use crate::{Options, Result};

/// The pause between two looks at the plane.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs every step, and returns what runs. Returns an error if a check failed.
pub async fn run(options: Options) -> Result<Fleet> {
    println!("starting issuer, host of bundles, plane and twelve services on loopback ...");
    let started = Instant::now();
    let mut fleet = Fleet::start().await?;
    let parts = &fleet.parts;
    println!("issuer {}  bundles {}  plane {}", parts.tokens.url(), parts.documents.url(), parts.plane.url);
    println!("revocations by {}", parts.revocations.words());
    println!("all ready after {}", seconds(started.elapsed()));
    let mut report = Report::default();
    revisions::first(&mut report, &fleet, options).await?;
    revisions::shadow(&mut report, &fleet).await?;
    revisions::second(&mut report, &fleet).await?;
    session::revoked(&mut report, &fleet).await?;
    faults::found(&mut report, &mut fleet).await?;
    page::shows(&mut report, &fleet).await?;
    report.finish()?;
    Ok(fleet)
}

impl Fleet {
    /// Runs `countersign fleet …` against the plane until it exits with `code` and prints all of `parts`, for [`WITHIN`] at most.
    /// The reports of changes reach the plane within a second.
    async fn look_until(&self, arguments: &[&str], code: i32, parts: &[&str]) -> Result<Ended> {
        let since = Instant::now();
        let arguments = [&["fleet"], arguments, &["--plane", &self.parts.plane.url]].concat();
        loop {
            let ended = command::run(&arguments, None).await?;
            let is_expected = ended.code == Some(code) && parts.iter().all(|part| ended.output.contains(part));
            if is_expected || since.elapsed() > WITHIN {
                return Ok(ended);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
