//! Reading tokens from standard input, a file, the environment or an argument.

use std::fs::File;
use std::io::{BufRead, IsTerminal, Read};

use crate::exit::Failure;
use crate::output;

/// The environment variable with a token, if no argument names one.
pub(crate) const TOKEN_VARIABLE: &str = "COUNTERSIGN_TOKEN";

/// Maximum size of a token or file, in bytes.
const MAX_INPUT_BYTES: u64 = 1024 * 1024;

/// Reads the token that `argument` names: `-`, `@file`, or the token itself; otherwise the environment, then standard
/// input.
pub(crate) fn token(argument: Option<&str>) -> Result<String, Failure> {
    let text = match argument {
        Some("-") => standard_input()?,
        Some(name) => match name.strip_prefix('@') {
            Some(path) => file(path)?,
            None => {
                output::warn("a token as an argument stays in the shell history; use standard input or @file");
                name.to_owned()
            }
        },
        None => match std::env::var(TOKEN_VARIABLE) {
            Ok(token) if !token.is_empty() => token,
            _ => standard_input()?,
        },
    };
    Ok(text.trim().to_owned())
}

/// The lines of `argument`: a file, or standard input.
pub(crate) fn lines(argument: Option<&str>) -> Result<Box<dyn BufRead>, Failure> {
    let path = match argument {
        None | Some("-") => return Ok(Box::new(std::io::BufReader::new(std::io::stdin()))),
        Some(name) => name.strip_prefix('@').unwrap_or(name),
    };
    let file = File::open(path).map_err(|error| Failure::usage(format!("{path}: {error}")))?;
    Ok(Box::new(std::io::BufReader::new(file)))
}

/// The next line without its line break; `None` at the end. Of a line over 1 MiB, the first 1 MiB and a byte are returned with
/// all spaces, so that no verifier takes a part for the whole: it is longer than any token may be.
pub(crate) fn next_line(reader: &mut dyn BufRead) -> Result<Option<String>, Failure> {
    let unreadable = |error: std::io::Error| Failure::usage(format!("the input cannot be read: {error}"));
    let mut line = Vec::new();
    let read = reader.take(MAX_INPUT_BYTES + 1).read_until(b'\n', &mut line).map_err(unreadable)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') || u64::try_from(line.len()).is_ok_and(|length| length <= MAX_INPUT_BYTES) {
        return Ok(Some(String::from_utf8_lossy(&line).trim().to_owned()));
    }
    let mut rest = Vec::new();
    while reader.take(MAX_INPUT_BYTES).read_until(b'\n', &mut rest).map_err(unreadable)? > 0 {
        if rest.last() == Some(&b'\n') {
            break;
        }
        rest.clear();
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

/// A whole file as text; `-` is standard input.
pub(crate) fn file(path: &str) -> Result<String, Failure> {
    if path == "-" {
        return standard_input();
    }
    let file = File::open(path).map_err(|error| Failure::usage(format!("{path}: {error}")))?;
    read(file).map_err(|problem| Failure::usage(format!("{path}: {problem}")))
}

/// A whole file as bytes; `-` is standard input.
pub(crate) fn bytes(path: &str) -> Result<Vec<u8>, Failure> {
    let problem = |error: std::io::Error| Failure::usage(format!("{path}: {error}"));
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = match path {
        "-" => Box::new(std::io::stdin().lock()),
        path => Box::new(File::open(path).map_err(problem)?),
    };
    source.take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes).map_err(problem)?;
    match u64::try_from(bytes.len()).is_ok_and(|read| read <= MAX_INPUT_BYTES) {
        true => Ok(bytes),
        false => Err(Failure::usage(format!("{path}: longer than 1 MiB"))),
    }
}

fn standard_input() -> Result<String, Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        output::warn("paste it, then end with Enter and Ctrl-D");
    }
    read(input.lock()).map_err(|problem| Failure::usage(format!("standard input: {problem}")))
}

fn read(source: impl Read) -> Result<String, String> {
    let mut text = String::new();
    let read = source.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    match u64::try_from(read).is_ok_and(|read| read <= MAX_INPUT_BYTES) {
        true => Ok(text),
        false => Err("longer than 1 MiB".to_owned()),
    }
}

/// The token after a leading `Bearer` or `DPoP`, as a header has it.
pub(crate) fn without_scheme(text: &str) -> &str {
    let is_scheme = |word: &str| ["bearer", "dpop"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
    match text.split_once(' ') {
        Some((scheme, token)) if is_scheme(scheme) => token.trim(),
        _ => text,
    }
}

/// Extracts the token from copied text: `Authorization: Bearer …` or `DPoP …`, quotes, a token response in JSON.
pub(crate) fn unwrapped(text: &str) -> String {
    let mut rest = text.trim();
    let json = serde_json::from_str::<serde_json::Value>(rest).unwrap_or_default();
    let token = ["access_token", "id_token", "token"].iter().find_map(|name| json.get(name)?.as_str());
    if let Some(token) = token.or(json.as_str()) {
        rest = token.trim();
    }
    rest = rest.trim_matches(['"', '\'', '`']).trim();
    for prefix in ["authorization:", "bearer ", "dpop "] {
        if rest.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)) {
            rest = rest.get(prefix.len()..).unwrap_or_default().trim();
        }
    }
    rest.trim_matches(['"', '\'', '`']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_extracted_from_copied_text() {
        for text in [
            "a.b.c",
            " 'a.b.c' ",
            "Bearer a.b.c",
            "authorization: bearer a.b.c",
            "Authorization: DPoP a.b.c",
            "\"Authorization: Bearer a.b.c\"",
            r#"{"access_token":"a.b.c","token_type":"Bearer"}"#,
        ] {
            assert_eq!(unwrapped(text), "a.b.c", "{text}");
        }
    }

    #[test]
    fn only_the_scheme_is_taken_off() {
        for (text, token) in [("Bearer a.b.c", "a.b.c"), ("DPoP  a.b.c", "a.b.c"), ("a.b.c", "a.b.c")] {
            assert_eq!(without_scheme(text), token);
        }
        for odd in ["Basic a.b.c", "\"a.b.c\"", "Bearera.b.c", ""] {
            assert_eq!(without_scheme(odd), odd);
        }
    }

    #[test]
    fn lines_are_read_one_by_one_and_bounded() {
        let long = "x".repeat(3 * 1024 * 1024);
        let spaces = " ".repeat(3 * 1024 * 1024);
        let text = format!("a\r\n\n{long}\na.b.c{spaces}x\n{}\nb", &long[..1024 * 1024]);
        let mut reader = text.as_bytes();
        let mut lengths = Vec::new();
        while let Ok(Some(line)) = next_line(&mut reader) {
            lengths.push(line.len());
        }
        assert_eq!(lengths, [1, 0, 1024 * 1024 + 1, 1024 * 1024 + 1, 1024 * 1024, 1], "a cut line stays too long");
    }
}
