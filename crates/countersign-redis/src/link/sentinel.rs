//! The primary that sentinels name.

use std::time::Duration;

use futures_util::future::join_all;
use redis::{Value, cmd, from_redis_value};

use super::connection::Connection;
use super::dial;
use super::failure::Failure;
use crate::settings::{Address, Place};

/// The time between two questions whether the primary is still the same.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The questions to one sentinel before another one is asked: it may be cut off from the others.
const QUESTIONS: usize = 10;

/// The time limit of a question, with its connection.
const ASK_WITHIN: Duration = Duration::from_millis(500);

/// The primary that most of the sentinels name, of those that answer.
pub(super) async fn primary(place: &Place) -> Result<Address, Failure> {
    let answers = join_all(place.sentinels.iter().map(|sentinel| ask(place, sentinel))).await;
    let named = |of: &Address| answers.iter().flatten().filter(|other| other.endpoint == of.endpoint).count();
    // The first of those with as many voices.
    let most = answers.iter().flatten().rev().max_by_key(|address| named(address));
    let Some(primary) = most else {
        return Err(answers.into_iter().find_map(Result::err).unwrap_or(Failure::Connection("there is no sentinel")));
    };
    if primary.is_exposed() && !place.allows_plain_tcp {
        let problem = "the sentinels name a server that plain TCP beyond loopback reaches; use rediss:// in its URL";
        return Err(Failure::Connection(problem));
    }
    Ok(primary.clone())
}

/// Completes when most of the sentinels name another primary.
pub(super) async fn replaced(place: &Place, known: &Address) {
    loop {
        if let Some(sentinel) = fastrand::choice(&place.sentinels)
            && let Ok(Ok(opened)) = tokio::time::timeout(ASK_WITHIN, dial::open(place, sentinel)).await
        {
            let is_perhaps_other = tokio::select! {
                is_other = is_other(place, &opened.connection, known) => is_other,
                () = opened.driver => true,
            };
            // One that was cut off may name an old one.
            if is_perhaps_other && primary(place).await.is_ok_and(|named| named.endpoint != known.endpoint) {
                return;
            }
        }
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

/// Returns true when this sentinel names another primary or does not answer, and false after as many questions as one is asked.
async fn is_other(place: &Place, sentinel: &Connection, known: &Address) -> bool {
    for _ in 0..QUESTIONS {
        tokio::time::sleep(CHECK_EVERY).await;
        let named = tokio::time::timeout(ASK_WITHIN, named_by(place, sentinel)).await;
        if !matches!(named, Ok(Ok(named)) if named.endpoint == known.endpoint) {
            return true;
        }
    }
    false
}

async fn ask(place: &Place, sentinel: &Address) -> Result<Address, Failure> {
    let asked = async {
        let mut opened = dial::open(place, sentinel).await?;
        tokio::select! {
            named = named_by(place, &opened.connection) => named,
            () = &mut opened.driver => Err(Failure::Connection("the sentinel closed the connection")),
        }
    };
    let answer = tokio::time::timeout(ASK_WITHIN, asked).await;
    answer.unwrap_or(Err(Failure::Connection("no sentinel answers in time")))
}

async fn named_by(place: &Place, sentinel: &Connection) -> Result<Address, Failure> {
    let unknown = Failure::Refused("no sentinel knows a primary of this name; it is the host of the URL");
    let primary = place.addresses.first().ok_or(unknown)?;
    let mut command = cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(primary.name().ok_or(unknown)?);
    let answer = sentinel.send(&command).await.map_err(|error| Failure::of(&error))?;
    if answer == Value::Nil {
        return Err(unknown);
    }
    let unreadable = |_| Failure::Refused("the answer of a sentinel is no address");
    let (host, port): (String, u16) = from_redis_value(answer).map_err(unreadable)?;
    Ok(primary.at(host, port))
}
