//! The one step that compares and records.

use std::sync::LazyLock;

use redis::{Cmd, Script, Value, cmd};

static SCRIPT: &str = include_str!("insert.lua");

/// The name under which a server keeps the script.
static HASH: LazyLock<String> = LazyLock::new(|| Script::new(SCRIPT).get_hash().to_owned());

/// A call of the script.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) keys: Vec<String>,
    pub(super) arguments: Vec<u64>,
}

/// The answers of the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    New,
    Used,
    Forgotten,
    ShareUsedUp,
    Recovering,
    Clocks,
}

impl Call {
    /// For a server that knows the script.
    pub(super) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &HASH)
    }

    /// With the script, which the server keeps from then on.
    pub(super) fn with_text(&self) -> Cmd {
        self.command("EVAL", SCRIPT)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.arguments);
        command
    }
}

impl Answer {
    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Int(0) => Answer::New,
            Value::Int(1) => Answer::Used,
            Value::Int(2) => Answer::Forgotten,
            Value::Int(3) => Answer::ShareUsedUp,
            Value::Int(4) => Answer::Recovering,
            Value::Int(5) => Answer::Clocks,
            _ => return None,
        })
    }
}
