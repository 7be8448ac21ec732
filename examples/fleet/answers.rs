//! One question to all instances, and their answers.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use crate::Result;
use crate::fleet::Fleet;
use crate::issuer::Tokens;
use crate::service::{Instance, STREAM_END};

/// How soon all instances must answer as expected.
pub const WITHIN: Duration = Duration::from_secs(10);

/// The pause between two requests to an instance that does not answer as expected yet.
pub const ASK_EVERY: Duration = Duration::from_millis(20);

/// The answer of one instance.
pub struct Answer {
    pub service: &'static str,
    pub instance: String,
    /// The status, or what became of a stream.
    pub found: String,
    pub is_expected: bool,
    /// The time from the cause to the answer.
    pub after: Duration,
}

/// Open event streams.
pub struct Streams(Vec<reqwest::Response>);

impl Fleet {
    /// Sends `GET /items` to every instance, each with the token for its service.
    pub async fn ask(&self, tokens: &Tokens, expected: u16) -> Result<Vec<Answer>> {
        let since = Instant::now();
        try_join_all(self.instances.iter().map(async |instance| {
            let status = self.status(instance, tokens).await?;
            Ok(Answer::new(instance, status.to_string(), status == expected, since))
        }))
        .await
    }

    /// Repeats `GET /items` at every instance until it answers with `expected`, for [`WITHIN`] at most.
    pub async fn ask_until(&self, tokens: &Tokens, expected: u16, since: Instant) -> Result<Vec<Answer>> {
        try_join_all(self.instances.iter().map(async |instance| {
            loop {
                let status = self.status(instance, tokens).await?;
                if status == expected || since.elapsed() > WITHIN {
                    return Ok(Answer::new(instance, status.to_string(), status == expected, since));
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        }))
        .await
    }

    async fn status(&self, instance: &Instance, tokens: &Tokens) -> Result<u16> {
        let request = self.parts.http.get(format!("{}/items", instance.url()));
        let response = request.bearer_auth(tokens.of(instance.service).expose()).send().await?;
        Ok(response.status().as_u16())
    }

    /// Opens `GET /events` at every instance.
    pub async fn open_streams(&self, tokens: &Tokens) -> Result<Streams> {
        let opened = try_join_all(self.instances.iter().map(async |instance| {
            let request = self.parts.http.get(format!("{}/events", instance.url()));
            let mut response = request.bearer_auth(tokens.of(instance.service).expose()).send().await?;
            response.error_for_status_ref()?;
            response.chunk().await?.ok_or("the stream ended at once")?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(response)
        }));
        Ok(Streams(opened.await?))
    }

    /// Reads the streams until each ends because of its token, for [`WITHIN`] at most.
    pub async fn ends(&self, streams: Streams, since: Instant) -> Result<Vec<Answer>> {
        try_join_all(self.instances.iter().zip(streams.0).map(async |(instance, mut response)| {
            let read = async {
                let mut last = Vec::new();
                while let Some(chunk) = response.chunk().await? {
                    last = chunk.to_vec();
                }
                Ok::<_, reqwest::Error>(last)
            };
            let left = WITHIN.saturating_sub(since.elapsed());
            let (found, is_expected) = match tokio::time::timeout(left, read).await {
                Ok(Ok(last)) if last == STREAM_END.as_bytes() => ("ended", true),
                Ok(_) => ("cut", false),
                Err(_) => ("open", false),
            };
            Ok(Answer::new(instance, found.to_owned(), is_expected, since))
        }))
        .await
    }
}

impl Answer {
    fn new(instance: &Instance, found: String, is_expected: bool, since: Instant) -> Self {
        let (service, name) = (instance.service, instance.name.clone());
        Answer { service, instance: name, found, is_expected, after: since.elapsed() }
    }
}
