//! Rust files reduced to their code: comments, string literals and unit tests become spaces, line by line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder with all crates.
pub fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")
}

/// Every Rust file below `folder`, by its path from there.
pub fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() {
            found.extend(files(&entry).into_iter().map(|(inside, text)| (format!("{name}/{inside}"), text)));
        } else if name.ends_with(".rs") {
            found.insert(name, fs::read_to_string(&entry).expect("a source file"));
        }
    }
    found
}

/// The code of a file, every line at its place.
pub fn code(text: &str) -> String {
    without_tests(without_text(text))
}

/// Blanks comments and literals.
fn without_text(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_inside_word = code.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => string(rest),
            'r' if !is_inside_word || code.ends_with('b') => raw_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        let taken = if skipped > 0 { skipped } else { first.len_utf8() };
        let is_code = skipped == 0;
        code.extend(rest[..taken].chars().map(|c| if is_code || c == '\n' { c } else { ' ' }));
        rest = &rest[taken..];
    }
    code
}

fn string(rest: &str) -> usize {
    let mut is_escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

fn raw_string(rest: &str) -> usize {
    let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
    if !rest[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = hashes + 2;
    rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
}

/// A character literal; a lifetime has no second quote right behind one character.
fn character(rest: &str) -> usize {
    let mut inside = rest.char_indices().skip(1);
    match inside.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(0, |at| at + 4),
        Some(_) => inside.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

/// Blanks every item behind `#[cfg(test)]` or `#[cfg(all(test, …))]`, modules among them.
fn without_tests(mut code: String) -> String {
    while let Some(start) = ["#[cfg(test)]", "#[cfg(all(test"].iter().filter_map(|attribute| code.find(attribute)).min()
    {
        let mut depth = 0_usize;
        let end = code[start..].char_indices().find(|(_, c)| {
            match c {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth -= 1,
                _ => {}
            }
            depth == 0 && matches!(c, ';' | '}')
        });
        let end = end.map_or(code.len(), |(at, _)| start + at + 1);
        let blank: String = code[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        code.replace_range(start..end, &blank);
    }
    code
}
