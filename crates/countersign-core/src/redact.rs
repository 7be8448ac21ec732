//! Escaping of untrusted text for logs and terminals.

/// The longest untrusted text in a log field, in characters.
const MAX_LOGGED_CHARS: usize = 64;

/// Escapes everything but printable ASCII and truncates at 64 characters, marked with `…`.
///
/// Line breaks, terminal escapes and right-to-left overrides are escaped, so that untrusted text cannot forge a log record.
///
/// ```
/// use countersign_core::integration::safe_text;
///
/// assert_eq!(safe_text("a\r\nlevel=ERROR"), "a\\r\\nlevel=ERROR");
/// ```
#[must_use]
pub fn safe_text(foreign: &str) -> String {
    safe_text_within(foreign, MAX_LOGGED_CHARS)
}

/// As [`safe_text`], truncated at `max_chars` characters: for records that programs join by their names.
///
/// ```
/// use countersign_core::integration::safe_text_within;
///
/// assert_eq!(safe_text_within("a\nbcd", 4), "a\\nb…");
/// ```
#[must_use]
pub fn safe_text_within(foreign: &str, max_chars: usize) -> String {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'"' | b'\\');
    if foreign.len() <= max_chars && foreign.bytes().all(is_plain) {
        return foreign.to_owned(); // as most names are
    }
    let mut safe = String::with_capacity(foreign.len().min(max_chars) + 4);
    let mut chars = 0;
    for character in foreign.chars() {
        let escaped = character.escape_default();
        if chars + escaped.len() > max_chars {
            safe.push('…');
            break;
        }
        chars += escaped.len();
        safe.extend(escaped);
    }
    safe
}

/// Escapes what could start a line, hide text, change its direction or control a terminal. Letters of any script stay.
///
/// ```
/// use countersign_core::integration::visible_text;
///
/// assert_eq!(visible_text("grüße\n\u{202e}x"), "grüße\\n\\u{202e}x");
/// ```
#[must_use]
pub fn visible_text(foreign: &str) -> String {
    let mut visible = String::with_capacity(foreign.len());
    for character in foreign.chars() {
        match character {
            '\n' | '\r' | '\t' => visible.extend(character.escape_default()),
            character if is_visible(character) => visible.push(character),
            hidden => visible.extend(hidden.escape_unicode()),
        }
    }
    visible
}

/// Returns whether a character is visible: no control, format, private or line character, no noncharacter, nothing that is
/// shown as a space or not at all, and no white space but U+0020.
#[must_use]
pub fn is_visible(character: char) -> bool {
    match character {
        ' ' => true,
        _ if character.is_control() || character.is_whitespace() => false,
        // Format characters, those that a renderer ignores by default, and letters without a shape.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' => false,
        '\u{600}'..='\u{605}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' => false,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' => false,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{110bd}' | '\u{110cd}' => {
            false
        }
        '\u{13430}'..='\u{1345f}' | '\u{16fe4}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d159}' => false,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => false,
        // Private use, whose shape each font decides.
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'.. => false,
        // Noncharacters, which XML 1.0 forbids in part.
        '\u{fdd0}'..='\u{fdef}' => false,
        _ => u32::from(character) & 0xfffe != 0xfffe,
    }
}

/// Untrusted text as a part of a line: [`safe_text`], in quotes unless it is one word, so that it cannot pass for the words
/// around it.
///
/// ```
/// use countersign_core::integration::word;
///
/// assert_eq!(word("orders:read"), "orders:read");
/// assert_eq!(word("clerk). ALLOWED ("), "\"clerk). ALLOWED (\"");
/// ```
#[must_use]
pub fn word(foreign: &str) -> String {
    quoted_unless_word(safe_text(foreign))
}

/// The same of a [`safe_text`].
pub(crate) fn quoted_unless_word(safe: String) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@#+*=|$%&?!".contains(&byte);
    let is_word = !matches!(&*safe, "" | "-" | "none" | "and") && safe.bytes().all(is_plain);
    if is_word { safe } else { format!("\"{safe}\"") }
}

/// The longest message of a parser that quotes foreign text, in characters.
const MAX_MESSAGE_CHARS: usize = 512;

/// As [`visible_text`], cut after 512 characters: for messages of parsers, which quote what they read.
pub(crate) fn short_text(message: &str) -> String {
    let mut short = visible_text(message);
    if let Some((end, _)) = short.char_indices().nth(MAX_MESSAGE_CHARS) {
        short.truncate(end);
        short.push('…');
    }
    short
}

/// A message of a parser about text that may hold secrets: the fields, the types and what was expected, but no value. Cut after
/// 512 characters.
///
/// ```
/// use countersign_core::integration::message_without_values;
///
/// let message = r#"invalid type: string "password=hunter2", expected a map"#;
/// assert_eq!(message_without_values(message), "invalid type: string, expected a map");
/// ```
#[must_use]
pub fn message_without_values(message: &str) -> String {
    // The value comes first and may have any text; what was expected comes last.
    let expected =
        || message.rsplit_once(", expected ").map_or(String::new(), |(_, text)| format!(", expected {text}"));
    let with_value = ["invalid type: ", "invalid value: "].into_iter();
    let with_value = with_value.filter_map(|start| Some((start, message.strip_prefix(start)?))).next();
    match with_value {
        Some((start, found)) => {
            let kind = found.split(['"', '`', ',']).next().unwrap_or_default().trim_end();
            short_text(&format!("{start}{kind}{}", expected()))
        }
        None if message.starts_with("unknown variant `") => short_text(&format!("unknown word{}", expected())),
        None => short_text(message),
    }
}

#[cfg(test)]
mod tests {
    use super::{message_without_values, safe_text, visible_text, word};

    #[test]
    fn s10_04_s10_13_foreign_text_within_a_line_is_one_word_or_in_quotes() {
        for name in ["clerk", "orders:read", "https://id.example/a?b=c", "Orders.Read", "a|b", "ann@shop.test"] {
            assert_eq!(word(name), name);
        }
        for name in [
            "",
            "-",
            "none",
            "and",
            "a b",
            "a,b",
            "a;b",
            "clerk). Every other rule is met (",
            "\"a\"",
            "a'b",
            "grüße",
            "a\nb",
        ] {
            assert_eq!(word(name), format!("\"{}\"", safe_text(name)));
        }
        assert!(word(&"k".repeat(100)).ends_with("…\""));
    }

    #[test]
    fn s10_01_a_message_of_a_parser_names_no_value() {
        for (message, expected) in [
            (r#"invalid type: string "pw", expected a list"#, "invalid type: string, expected a list"),
            (
                r#"invalid type: string "a, expected pw", expected u64 at line 1 column 9"#,
                "invalid type: string, expected u64 at line 1 column 9",
            ),
            ("invalid value: integer `-7`, expected u64", "invalid value: integer, expected u64"),
            ("invalid type: map, expected a string", "invalid type: map, expected a string"),
            ("invalid value: string \"pw\"", "invalid value: string"),
            ("unknown variant `pw`, expected `file` or `inline`", "unknown word, expected `file` or `inline`"),
            ("unknown variant `pw`, there are no variants", "unknown word"),
            ("missing field `issuer`", "missing field `issuer`"),
            ("unknown field `isuer`, expected `issuer`", "unknown field `isuer`, expected `issuer`"),
        ] {
            assert_eq!(message_without_values(message), expected);
        }
    }

    #[test]
    fn s10_04_nothing_hidden_stays_hidden_and_letters_stay() {
        for hidden in [
            '\0',
            '\n',
            '\r',
            '\t',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{a0}',
            '\u{ad}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0001}',
            '\u{e007f}',
            '\u{e0100}',
        ] {
            let visible = visible_text(&format!("a{hidden}b"));
            assert!(visible.is_ascii() && !visible.contains(hidden) && visible.len() > 3, "{hidden:?}: {visible:?}");
        }
        assert_eq!(visible_text("grüße 漢字 עברית"), "grüße 漢字 עברית");
    }

    #[test]
    fn s10_04_foreign_text_stays_on_one_short_printable_line() {
        for hostile in ["a\r\nlevel=ERROR msg=x", "\u{1b}[31mred", "\u{202e}evil", &"k".repeat(4096), "\0"] {
            let safe = safe_text(hostile);
            assert!(safe.chars().count() <= 65, "{safe}");
            assert!(safe.trim_end_matches('…').bytes().all(|b| (0x20..0x7f).contains(&b)), "{safe}");
        }
        assert_eq!(safe_text("plain-kid_1"), "plain-kid_1");
    }
}
