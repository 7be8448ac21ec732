//! TOML whose strings take one line each and hide nothing.

use countersign::integration::is_visible;

/// The same TOML, with escapes for line breaks and hidden characters: no text of a policy starts a line of the output.
pub(crate) fn with_visible_strings(toml: &str) -> String {
    let mut text = String::with_capacity(toml.len());
    let mut rest = toml;
    while let Some(at) = rest.find(['"', '\'']) {
        let (before, string) = rest.split_at(at);
        let (string, after) = string.split_at(length(string));
        text.push_str(before);
        match value(string).filter(|value| string.contains('\n') || !value.chars().all(is_visible)) {
            Some(value) => text.push_str(&basic(&value)),
            None => text.push_str(string),
        }
        rest = after;
    }
    text + rest
}

/// The length of the string that `text` starts with, in any of the four forms of TOML.
fn length(text: &str) -> usize {
    let quote = if text.starts_with('"') { '"' } else { '\'' };
    let long = quote.to_string().repeat(3);
    let is_long = text.starts_with(&long);
    let end = if is_long { long.as_str() } else { &long[..1] };
    let mut at = end.len();
    while let Some(letter) = text[at..].chars().next() {
        if quote == '"' && letter == '\\' {
            at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8);
        } else if text[at..].starts_with(end) {
            // Up to two quotes of the content may stand before the last three.
            let more = text[at + end.len()..].chars().take_while(|next| is_long && *next == quote).count();
            return at + end.len() + more;
        } else {
            at += letter.len_utf8();
        }
    }
    text.len()
}

fn value(string: &str) -> Option<String> {
    let table: toml::Table = toml::from_str(&format!("value = {string}")).ok()?;
    table.get("value")?.as_str().map(str::to_owned)
}

fn basic(value: &str) -> String {
    let mut text = String::from('"');
    for letter in value.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            visible if is_visible(visible) => text.push(visible),
            hidden => text.push_str(&format!("\\U{:08X}", u32::from(hidden))),
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::with_visible_strings;

    #[test]
    fn s10_04_strings_take_one_line_and_read_the_same() {
        for toml in [
            "a = '''\nx\n[[forged]]'''\nb = \"\"\"\ny\\\"\nz\"\"\"\"\"\nc = ''\n",
            "a = \"\"\nb = 'it\"s'\nc = \"\\\"\\\\\"\n[d.\"e\\nf\"]\ng = ['''h'i''', \"j\u{202e}\u{1f600}\u{e0041}\"]\n",
        ] {
            let visible = with_visible_strings(toml);
            let read = |text: &str| toml::from_str::<toml::Table>(text).expect("TOML");
            assert_eq!(read(&visible), read(toml), "{visible}");
            assert!(!visible.contains("\n[[forged]]") && !visible.contains("\nz"), "{visible}");
            assert!(!visible.contains(['\u{202e}', '\u{e0041}']), "{visible}");
        }
        assert_eq!(with_visible_strings("a = 'b\\c'\n"), "a = 'b\\c'\n");
    }
}
