//! Reformats JSON as text: member order, duplicate names and number spellings stay the same.

use std::iter::Peekable;
use std::str::Chars;

/// `text` with one member per line; `None` if it is not JSON.
pub(crate) fn pretty(text: &str) -> Option<String> {
    is_json(text).then(|| laid_out(text, true))
}

/// `text` without insignificant whitespace; `None` if it is not JSON.
pub(crate) fn compact(text: &str) -> Option<String> {
    is_json(text).then(|| laid_out(text, false))
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

/// Formats text that is known to be JSON.
fn laid_out(text: &str, lines: bool) -> String {
    let mut letters = text.chars().peekable();
    let mut out = String::with_capacity(text.len());
    let mut depth = 0_usize;
    let line = |out: &mut String, depth: usize| {
        if lines {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        }
    };
    while let Some(letter) = letters.next() {
        match letter {
            '"' => string(&mut letters, &mut out),
            '{' | '[' => {
                out.push(letter);
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                line(&mut out, depth);
            }
            ':' => out.push_str(if lines { ": " } else { ":" }),
            space if space.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

/// Copies the rest of a string, up to its closing quote.
fn string(letters: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('"');
    while let Some(letter) = letters.next() {
        out.push(letter);
        match letter {
            '"' => return,
            '\\' => out.extend(letters.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_duplicate_names_and_spellings_stay() {
        let text = r#"{"b":1.50,"a":[1,{"x":"} \" ,"},[],{}],"b":-0}"#;
        let laid = pretty(text).expect("JSON");
        assert!(laid.starts_with("{\n  \"b\": 1.50,\n  \"a\": [\n    1,"), "{laid}");
        assert_eq!(compact(&laid).as_deref(), Some(text));
        assert_eq!((pretty("{"), compact("a")), (None, None));
    }
}
