//! A process with a part of the verifiers, and what it is asked: a line of JSON each way.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::member::{FEED_MAX_AGE, Member, Settings};
use crate::world::micros;
use crate::{Error, Result};

/// The argument that makes this program run verifiers.
pub(crate) const VERIFIERS: &str = "--run-verifiers";

/// How often each verifier is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The time for which one is looked at.
const LONGEST_LOOK: Duration = Duration::from_millis(1);

/// Verifiers that start at the same time.
const STARTING: usize = 32;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Starts so many verifiers; answers when all are built.
    Start(usize, Settings),
    /// Waits until this revision is in force.
    Revision(u64, Duration),
    /// Waits until a request with this token is answered with this status.
    Status(String, u16, Duration),
    /// Hints that there is a new bundle, as a message would.
    Hint,
    /// From now on, decides about tokens that were revoked and about a good one.
    Watch(Vec<String>, String),
    /// Ends that.
    Unwatch,
    /// The revision of each.
    Revisions,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// For each verifier: when it was so, in microseconds since 1970, or the number asked for; 0 if it never was.
    pub(crate) values: Vec<u64>,
    pub(crate) watched: Watched,
    pub(crate) error: Option<String>,
}

/// Decisions without a source of revocations.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Watched {
    pub(crate) decisions: u64,
    /// Those of unknown status: 503.
    pub(crate) unknown: u64,
    /// Those that are not by the setting.
    pub(crate) wrong: u64,
}

pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut members = Vec::new();
        let mut watch = None::<(Vec<String>, String)>;
        let mut watched = Watched::default();
        loop {
            let line = tokio::select! {
                line = lines.next_line() => line?,
                () = tokio::time::sleep(LOOK_EVERY), if watch.is_some() => {
                    if let Some((revoked, good)) = &watch {
                        for member in &mut members {
                            look(member, revoked, good, &mut watched).await;
                        }
                    }
                    continue;
                }
            };
            let Some(line) = line else { return Ok(()) };
            let mut answer = Answer::default();
            match serde_json::from_str(&line)? {
                Command::Start(count, settings) => match start(count, settings).await {
                    Ok(started) => members = started,
                    Err(error) => answer.error = Some(error.to_string()),
                },
                Command::Revision(revision, wait) => {
                    answer.values = wait_for(&mut members, wait, async |member| member.revision() >= revision).await;
                }
                Command::Status(token, status, wait) => {
                    answer.values =
                        wait_for(&mut members, wait, async |member| member.status(&token).await == status).await;
                }
                Command::Hint => members.iter().for_each(Member::hint),
                Command::Watch(revoked, good) => (watch, watched) = (Some((revoked, good)), Watched::default()),
                Command::Unwatch => (watch, answer.watched) = (None, watched),
                Command::Revisions => answer.values = members.iter().map(Member::revision).collect(),
            }
            println!("{}", serde_json::to_string(&answer)?);
        }
    })
}

async fn start(count: usize, settings: Settings) -> Result<Vec<Member>> {
    let (mut starting, mut members) = (JoinSet::new(), Vec::new());
    for number in 0..count {
        if number >= STARTING {
            members.extend(starting.join_next().await.transpose()?.transpose()?);
        }
        let settings = settings.clone();
        starting.spawn(async move { Member::start(&settings).await });
    }
    while let Some(member) = starting.join_next().await {
        members.push(member??);
    }
    Ok::<_, Error>(members)
}

/// When each verifier was so; 0 if it was not within `wait`.
async fn wait_for(members: &mut [Member], wait: Duration, mut is_so: impl AsyncFnMut(&mut Member) -> bool) -> Vec<u64> {
    let end = Instant::now() + wait;
    let mut moments = vec![0; members.len()];
    while moments.contains(&0) && Instant::now() < end {
        for (member, moment) in members.iter_mut().zip(&mut moments).filter(|(_, moment)| **moment == 0) {
            // A request may wait for a status list; the other verifiers are looked at meanwhile.
            if tokio::time::timeout(LONGEST_LOOK, is_so(member)).await == Ok(true) {
                *moment = micros();
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    moments
}

/// Revoked tokens are refused whatever happens. A good one is accepted while the feed is young enough, and unknown after.
async fn look(member: &mut Member, revoked: &[String], good: &str, watched: &mut Watched) {
    for token in revoked {
        watched.decisions += 1;
        watched.wrong += u64::from(member.status(token).await != 401);
    }
    let before = member.age();
    let status = member.status(good).await;
    let after = member.age();
    let expected = match (before > FEED_MAX_AGE, after > FEED_MAX_AGE) {
        (true, true) => 503,
        (false, false) => 200,
        _ => return, // it changed in between
    };
    watched.decisions += 1;
    watched.unknown += u64::from(status == 503);
    watched.wrong += u64::from(status != expected);
}
