//! Escaping of untrusted text for logs.

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
    let mut safe = String::with_capacity(foreign.len().min(MAX_LOGGED_CHARS) + 4);
    let mut chars = 0;
    for character in foreign.chars() {
        let escaped = character.escape_default();
        if chars + escaped.len() > MAX_LOGGED_CHARS {
            safe.push('…');
            break;
        }
        chars += escaped.len();
        safe.extend(escaped);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::safe_text;

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
