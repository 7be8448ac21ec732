//! Output for people and programs: standard output, with colour only on a terminal.
#![allow(clippy::print_stdout, reason = "a command writes its result there")]

use std::io::{IsTerminal, Write};

use serde_json::Value;

use crate::exit::Failure;

/// Colours by meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    Good,
    Bad,
    Doubt,
    Quiet,
    Strong,
}

/// `text` in a colour if standard output is a terminal and `NO_COLOR` is unset.
pub(crate) fn toned(tone: Tone, text: &str) -> String {
    if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Doubt => "33",
        Tone::Quiet => "2",
        Tone::Strong => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Prints one line.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}

/// Prints bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output.write_all(bytes)?;
    output.flush()?;
    Ok(())
}

/// Prints one JSON value on one line.
pub(crate) fn json(value: &Value) -> Result<(), Failure> {
    line(&value.to_string())
}

/// Prints a message to standard error.
pub(crate) fn warn(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "countersign: {message}");
}

/// Escapes control and text-direction characters of untrusted text; keeps letters of any script.
pub(crate) fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        let changes_direction =
            matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if (letter.is_control() && letter != '\n') || changes_direction {
            safe.extend(letter.escape_unicode());
        } else {
            safe.push(letter);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn s10_04_no_terminal_escape_gets_through() {
        assert_eq!(safe("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(safe("\u{202e}x"), "\\u{202e}x");
        assert_eq!(safe("grüße"), "grüße");
    }
}
