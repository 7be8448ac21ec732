//! The `countersign` command: this program, started again with the name of the command as its first argument.

use std::process::Stdio;

use countersign::secret::Secret;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Result;

/// The name of the command.
pub const NAME: &str = "countersign";

/// The variable from which the command takes a token.
const TOKEN_VARIABLE: &str = "COUNTERSIGN_TOKEN";

/// A command that has ended.
pub struct Ended {
    /// As somebody would type it.
    pub typed: String,
    pub code: Option<i32>,
    pub output: String,
}

/// Runs the command with these arguments to its end.
pub async fn run(arguments: &[&str], token: Option<&Secret<String>>) -> Result<Ended> {
    let mut command = command(arguments)?;
    if let Some(token) = token {
        command.env(TOKEN_VARIABLE, token.expose());
    }
    let ended = command.stdin(Stdio::null()).output().await?;
    let output = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    Ok(Ended {
        typed: format!("{NAME} {}", arguments.join(" ")),
        code: ended.status.code(),
        output: output.into_owned(),
    })
}

/// `countersign plane` on a free port; it ends when this is dropped.
pub struct Plane {
    pub url: String,
    _child: Child,
}

impl Plane {
    pub async fn start() -> Result<Self> {
        let mut command = command(&["plane", "--listen", "127.0.0.1:0", "--json"])?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut printed = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut printed).await?;
        let printed: serde_json::Value = serde_json::from_str(&printed).map_err(|_| "the plane did not start")?;
        let address = printed["address"].as_str().ok_or("the plane states no address")?;
        Ok(Plane { url: format!("http://{address}"), _child: child })
    }
}

fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(NAME).args(arguments).env_remove(TOKEN_VARIABLE).kill_on_drop(true);
    Ok(command)
}
