//! Requests at a fixed rate, and how long each took from the time at which it was due.
//!
//! The rate does not depend on the answers, so that a slow answer delays no later request and is not hidden by it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use envoy_types::ext_authz::v3::pb::{CheckRequest, HttpResponse};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};
use tonic::transport::Channel;

use super::Result;

/// The senders, each of which waits for its answer before its next request.
const SENDERS: u32 = 32;

/// A sender whose median answer takes so long is late, in milliseconds.
const LATE: f64 = 0.5;

/// What each sender sends.
#[derive(Clone)]
pub enum Check {
    /// The bytes of a request of HTTP/1.1.
    Http(Arc<[u8]>),
    Grpc(Box<CheckRequest>),
}

impl Check {
    /// A request of HTTP/1.1.
    #[must_use]
    pub fn http(path: &str, headers: &[(&str, String)]) -> Self {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Check::Http(format!("GET {path} HTTP/1.1\r\n{lines}\r\n").into_bytes().into())
    }
}

/// A connection with its request.
enum Sender {
    Http(TcpStream, Arc<[u8]>),
    Grpc(Box<(AuthorizationClient<Channel>, CheckRequest)>),
}

impl Sender {
    async fn send(&mut self) -> Result<()> {
        match self {
            Sender::Http(stream, request) => {
                stream.write_all(request).await?;
                let mut answer = Vec::with_capacity(1024);
                while !answer.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut answer).await? == 0 {
                        return Err("the server closed".into());
                    }
                }
                let is_permitted = answer.starts_with(b"HTTP/1.1 200 ");
                is_permitted.then_some(()).ok_or_else(|| String::from_utf8_lossy(&answer).into())
            }
            Sender::Grpc(sender) => {
                let (client, check) = &mut **sender;
                let answer = client.check(check.clone()).await?.into_inner();
                match answer.http_response {
                    Some(HttpResponse::OkResponse(_)) => Ok(()),
                    other => Err(format!("{other:?}").into()),
                }
            }
        }
    }
}

/// The times of requests to `address`, so many a second for this long. Every request must be permitted.
///
/// # Errors
/// If one is not, or cannot be sent.
pub fn at_rate(address: SocketAddr, check: &Check, rate: f64, length: Duration) -> Result<Vec<Duration>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let interval = Duration::from_secs_f64(1.0 / rate);
        let channel = match check {
            Check::Grpc(_) => Some(Channel::from_shared(format!("http://{address}"))?.connect().await?),
            Check::Http(_) => None,
        };
        let mut senders = Vec::new();
        for _ in 0..SENDERS {
            senders.push(match (check, &channel) {
                (Check::Grpc(check), Some(channel)) => {
                    Sender::Grpc(Box::new((AuthorizationClient::new(channel.clone()), (**check).clone())))
                }
                (Check::Http(request), _) => {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    Sender::Http(stream, Arc::clone(request))
                }
                (Check::Grpc(_), None) => return Err("no channel".into()),
            });
        }
        let start = Instant::now() + Duration::from_millis(50);
        let mut tasks = JoinSet::new();
        for (number, mut sender) in (0..SENDERS).zip(senders) {
            tasks.spawn(async move {
                sender.send().await?; // caches fill, and the connection is known to work
                let mut took = Vec::new();
                let mut due = start + interval * number;
                while due < start + length {
                    // Timers are too coarse, and this processor has nothing else to do.
                    while Instant::now() < due {
                        yield_now().await;
                    }
                    sender.send().await?;
                    took.push(due.elapsed());
                    due += interval * SENDERS;
                }
                Result::<Vec<Duration>>::Ok(took)
            });
        }
        let mut all = Vec::new();
        while let Some(took) = tasks.join_next().await {
            all.extend(took??);
        }
        Ok(all)
    })
}

/// The rate, or the part of it at which the sender is not late: requests would wait for it and not for the server.
///
/// # Errors
/// As [`at_rate`].
pub fn kept_up(address: SocketAddr, check: &Check, mut rate: f64, turn: Duration) -> Result<f64> {
    while percentile(&mut at_rate(address, check, rate, turn)?, 50) > LATE && rate > 1_000.0 {
        rate /= 1.5;
    }
    Ok(rate)
}

/// The time that so many percent of the requests did not exceed, in milliseconds.
#[must_use]
pub fn percentile(took: &mut [Duration], percent: usize) -> f64 {
    took.sort_unstable();
    let at = (took.len() * percent).div_ceil(100).saturating_sub(1);
    took.get(at).map_or(f64::NAN, Duration::as_secs_f64) * 1e3
}
