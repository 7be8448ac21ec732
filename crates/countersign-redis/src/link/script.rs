//! Scripts, which a server runs in one step.

use std::sync::OnceLock;

use redis::{Cmd, ErrorKind, Script, ServerErrorKind, ToRedisArgs, Value, cmd};

use super::failure::Failure;
use super::link::Link;

/// A script, and the name under which a server keeps it.
pub(crate) struct ServerScript {
    text: &'static str,
    hash: OnceLock<String>,
}

impl ServerScript {
    pub(crate) const fn new(text: &'static str) -> Self {
        ServerScript { text, hash: OnceLock::new() }
    }

    /// Runs it; a server that does not know it gets its text.
    pub(crate) async fn run(
        &self,
        link: &Link,
        keys: &[String],
        arguments: &[impl ToRedisArgs],
    ) -> Result<Value, Failure> {
        let hash = self.hash.get_or_init(|| Script::new(self.text).get_hash().to_owned());
        let mut answer = link.send(&command("EVALSHA", hash, keys, arguments)).await?;
        let is_unknown = |kind| kind == ErrorKind::Server(ServerErrorKind::NoScript);
        if answer.as_ref().is_err_and(|error| is_unknown(error.kind())) {
            answer = link.send(&self.with_text(keys, arguments)).await?;
        }
        answer.map_err(|error| Link::failure(&error))
    }

    /// A call with the text, which the server keeps from then on.
    pub(crate) fn with_text(&self, keys: &[String], arguments: &[impl ToRedisArgs]) -> Cmd {
        command("EVAL", self.text, keys, arguments)
    }
}

fn command(name: &str, script: &str, keys: &[String], arguments: &[impl ToRedisArgs]) -> Cmd {
    let mut command = cmd(name);
    command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    command
}
