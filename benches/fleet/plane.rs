//! `countersign plane`, and what `countersign fleet status` finds there. This program runs itself as the command.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::world::micros;
use crate::{Result, usage};

/// The argument that makes this program the command `countersign`.
pub(crate) const COMMAND: &str = "--run-command";

/// The pause between two looks at the plane. A moment of a report is late by as much, and by the time of the command.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) struct Plane {
    child: Child,
    url: String,
}

/// What `countersign fleet status --json` prints.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) agree: bool,
    instances: Vec<Instance>,
}

#[derive(Debug, Deserialize)]
struct Instance {
    findings: Vec<String>,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    instance: String,
    bundle: Option<Bundle>,
}

#[derive(Debug, Deserialize)]
struct Bundle {
    revision: u64,
}

#[derive(Deserialize)]
struct Listening {
    address: String,
}

impl Plane {
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([COMMAND, "plane", "--listen", "127.0.0.1:0", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let Listening { address } = serde_json::from_str(&line).map_err(|_| "the plane ended at once")?;
        Ok(Plane { child, url: format!("http://{address}") })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Seconds that it has used the processors.
    pub(crate) fn busy(&self) -> f64 {
        usage::busy_of_process(self.child.id())
    }

    /// Its resident bytes.
    pub(crate) fn resident(&self) -> f64 {
        usage::resident(self.child.id())
    }

    pub(crate) fn status(&self) -> Result<Status> {
        status(&self.url)
    }

    /// From now on, notes when each instance is first listed with this revision, until so many are or the time is over.
    pub(crate) fn watch(&self, revision: u64, instances: usize, wait: Duration) -> Watch {
        let url = self.url.clone();
        Watch(spawn(move || -> Result<Vec<u64>> {
            let start = Instant::now();
            let mut moments = HashMap::new();
            while moments.len() < instances && start.elapsed() < wait {
                let status = status(&url)?;
                let at = micros();
                for name in status.with_revision(revision) {
                    moments.entry(name.to_owned()).or_insert(at);
                }
                sleep(LOOK_EVERY);
            }
            match moments.len() {
                found if found == instances => Ok(moments.into_values().collect()),
                found => Err(format!("{found} of {instances} verifiers reported revision {revision}").into()),
            }
        }))
    }
}

/// The moments at which a revision was listed.
pub(crate) struct Watch(JoinHandle<Result<Vec<u64>>>);

impl Watch {
    /// In microseconds since 1970.
    pub(crate) fn moments(self) -> Result<Vec<u64>> {
        self.0.join().map_err(|_| "the watch panicked")?
    }
}

impl Status {
    fn with_revision(&self, revision: u64) -> impl Iterator<Item = &str> {
        let has = move |report: &&Report| report.bundle.as_ref().is_some_and(|bundle| bundle.revision == revision);
        self.instances.iter().map(|instance| &instance.report).filter(has).map(|report| &*report.instance)
    }

    /// The number of instances that refused the last document.
    pub(crate) fn refused(&self) -> usize {
        let is_refused = |instance: &&Instance| instance.findings.iter().any(|finding| finding == "refused");
        self.instances.iter().filter(is_refused).count()
    }
}

fn status(plane: &str) -> Result<Status> {
    let command = [COMMAND, "fleet", "status", "--json", "--plane", plane];
    let output = Command::new(std::env::current_exe()?).args(command).stdin(Stdio::null()).output()?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("fleet status: {error} {}", String::from_utf8_lossy(&output.stderr)).into())
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
