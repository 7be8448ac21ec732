//! Output for people and programs: standard output, with colour only on a terminal.
#![allow(clippy::print_stdout, reason = "a command writes its result there")]

use std::io::{IsTerminal, Write};

use countersign::integration::{is_visible, visible_text};
use serde_json::Value;

use crate::exit::Failure;

/// The longest quotation of untrusted text, in characters.
const MAX_QUOTED_CHARS: usize = 256;

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

/// Prints one line, or several of the command's own. Whatever they contain, only visible characters reach the terminal.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout().lock(), "{}", visible_lines(text))?;
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
    line(&ascii_json(&value.to_string()))
}

/// JSON with all but printable ASCII as `\uXXXX`: programs read the same, and a terminal shows it as it is.
pub(crate) fn ascii_json(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            ' '..='~' | '\n' => ascii.push(letter), // line breaks only stand between members
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    ascii.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    ascii
}

/// JSON for people, one member per line: letters of any script as they are, everything hidden as `\uXXXX`.
pub(crate) fn pretty_json(value: &Value) -> String {
    escaped_json(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// JSON text with everything hidden as `\uXXXX`. In JSON such characters occur only in strings.
pub(crate) fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '\n' => escaped.push(letter), // between members
            hidden if !is_visible(hidden) => escaped.push_str(&ascii_json(&hidden.to_string())),
            visible => escaped.push(visible),
        }
    }
    escaped
}

/// Prints a message of one line to standard error.
pub(crate) fn warn(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "countersign: {}", safe(message));
}

/// Prints a line for people to standard error, beside a result for programs.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", visible_lines(text));
}

/// Escapes untrusted text for one line: line breaks, terminal codes, changes of direction and hidden characters.
pub(crate) fn safe(text: &str) -> String {
    visible_text(text)
}

/// Untrusted text as a part of an output line: [`safe`], in single quotes, cut after 256 characters.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for letter in text.chars().take(MAX_QUOTED_CHARS) {
        match letter {
            '\'' | '\\' => quoted.extend(['\\', letter]),
            letter => quoted.push_str(&safe(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    quoted.push('\'');
    if text.chars().nth(MAX_QUOTED_CHARS).is_some() {
        quoted.push('…');
    }
    quoted
}

/// An untrusted name as a part of an output line: as it is if it is one word without separators, else [`quoted`].
pub(crate) fn word(name: &str) -> String {
    let separates = |letter: char| !is_visible(letter) || " '\",;\\…".contains(letter);
    let is_word = !matches!(name, "" | "-" | "none") && !name.contains(separates);
    if is_word && name.chars().nth(MAX_QUOTED_CHARS).is_none() { name.to_owned() } else { quoted(name) }
}

/// Escapes the same in several lines, except line breaks and, on a terminal, the codes of [`toned`].
fn visible_lines(text: &str) -> String {
    let is_terminal = std::io::stdout().is_terminal();
    let mut visible = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let code = CODES.iter().find(|code| is_terminal && rest.starts_with(**code));
        let length = code.map_or(letter.len_utf8(), |code| code.len());
        let (first, others) = rest.split_at(length);
        match (code, letter) {
            (Some(code), _) => visible.push_str(code),
            (None, '\n') => visible.push('\n'),
            (None, _) => visible.push_str(&safe(first)),
        }
        rest = others;
    }
    visible
}

/// The terminal codes of [`toned`].
const CODES: [&str; 6] = ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[33m", "\u{1b}[2m", "\u{1b}[1m", "\u{1b}[0m"];

#[cfg(test)]
mod tests {
    use super::{ascii_json, quoted, safe, visible_lines, word};

    #[test]
    fn s10_04_s10_13_a_quotation_ends_where_it_says_and_a_name_is_one_word() {
        assert_eq!(quoted("x'). None got through. ('"), "'x\\'). None got through. (\\''");
        assert_eq!(quoted("\\' \n"), "'\\\\\\' \\n'");
        assert_eq!(quoted(&"ü".repeat(300)), format!("'{}'…", "ü".repeat(256)));
        for name in ["orders:read", "https://id.example/a?b=c", "grüße", "a|b(c)"] {
            assert_eq!(word(name), name);
        }
        for name in ["", "-", "none", "a b", "clerk; tenant acme", "a,b", "'a'", "a\u{2003}b", "a\nb", &"a".repeat(257)]
        {
            assert_eq!(word(name), quoted(name));
        }
    }

    #[test]
    fn s10_04_no_terminal_escape_gets_through() {
        assert_eq!(safe("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(safe("\u{202e}x\ny"), "\\u{202e}x\\ny");
        assert_eq!(safe("grüße"), "grüße");
        assert_eq!(visible_lines("a\n\u{1b}[31mb\u{9b}1m"), "a\n\\u{1b}[31mb\\u{9b}1m", "not a terminal");
        assert_eq!(ascii_json("\"\u{202e}ü\u{1f600}\u{7f}\""), "\"\\u202e\\u00fc\\ud83d\\ude00\\u007f\"");
    }
}
