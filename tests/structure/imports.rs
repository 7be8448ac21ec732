//! The imports and items of one file, from its code.

use std::collections::BTreeSet;

/// A path in a file, with the module it stands in.
pub struct Import {
    pub scope: String,
    /// The name that a `use` brings; empty for a path in the code.
    pub name: String,
    pub path: Vec<String>,
    pub line: usize,
    pub is_public: bool,
}

#[derive(Default)]
pub struct File {
    pub path: String,
    pub uses: Vec<Import>,
    pub paths: Vec<Import>,
    /// Items and inline modules, by their full names.
    pub items: BTreeSet<String>,
    pub inline: BTreeSet<String>,
    /// Every identifier outside of `use`.
    pub words: BTreeSet<String>,
}

/// Reads a file's code: its imports and items, and the modules that it declares in other files.
pub fn parse(code: &str, module: &str) -> (File, Vec<String>) {
    const ITEMS: [&str; 9] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules"];
    let tokens = tokens(code);
    let text = |at: usize| tokens.get(at).map_or("", |(text, _)| *text);
    let (mut file, mut children) = (File::default(), Vec::new());
    let mut scopes = vec![(module.to_owned(), 0)]; // inline modules, with the depth of braces around each
    let (mut depth, mut at) = (0_usize, 0);
    while at < tokens.len() {
        let scope = scopes.last().map(|(scope, _)| scope.clone()).unwrap_or_default();
        let is_at_top = scopes.last().is_some_and(|(_, top)| *top == depth);
        match text(at) {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if scopes.len() > 1 && scopes.last().is_some_and(|(_, top)| *top > depth) {
                    scopes.pop();
                }
            }
            "mod" if text(at + 2) == ";" => children.push(text(at + 1).to_owned()),
            "mod" if text(at + 2) == "{" => {
                let name = join(&scope, text(at + 1));
                file.inline.insert(name.clone());
                scopes.push((name, depth + 1));
            }
            "use" if text(at + 1) != "<" => {
                let is_public = at > 0 && matches!(text(at - 1), "pub" | ")");
                let start = at;
                while !matches!(text(at), ";" | "") {
                    at += 1;
                }
                tree(&tokens[start + 1..at], &[], &mut |name: &str, path, line| {
                    let name = name.to_owned();
                    file.uses.push(Import { scope: scope.clone(), name, path, line, is_public });
                });
            }
            word if is_word(word) => {
                file.words.insert(word.to_owned());
                if is_at_top && ITEMS.contains(&word) {
                    let name = if text(at + 1) == "!" { text(at + 2) } else { text(at + 1) };
                    file.items.insert(join(&scope, name));
                }
                let is_start = at == 0 || !matches!(text(at - 1), "::" | ".");
                if is_start && text(at + 1) == "::" {
                    let line = tokens[at].1;
                    let mut path = vec![word.to_owned()];
                    while text(at + 1) == "::" && is_word(text(at + 2)) {
                        at += 2;
                        path.push(text(at).to_owned());
                    }
                    file.words.extend(path.iter().cloned());
                    file.paths.push(Import { scope, name: String::new(), path, line, is_public: false });
                }
            }
            _ => {}
        }
        at += 1;
    }
    (file, children)
}

/// Calls `found` for each name that the tree of a `use` brings.
fn tree(tokens: &[(&str, usize)], before: &[String], found: &mut impl FnMut(&str, Vec<String>, usize)) {
    let mut depth = 0_usize;
    let branches = tokens.split(|(text, _)| {
        match *text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        *text == "," && depth == 0
    });
    for branch in branches {
        let Some((last, line)) = branch.last() else { continue };
        let plain = branch.iter().take_while(|(text, _)| !matches!(*text, "{" | "as"));
        let inner = plain.clone().count();
        let parts = plain.map(|(text, _)| *text).filter(|text| *text != "::");
        let path: Vec<_> = before.iter().cloned().chain(parts.map(str::to_owned)).collect();
        match branch.get(inner) {
            Some(("{", _)) => tree(&branch[inner + 1..branch.len() - 1], &path, found),
            _ if *last == "self" => found(before.last().map_or("", String::as_str), before.to_vec(), *line),
            _ => found(last, path, *line),
        }
    }
}

/// Words, `::` and single signs, each with its line.
fn tokens(code: &str) -> Vec<(&str, usize)> {
    let (mut found, mut rest, mut line) = (Vec::new(), code, 1);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if is_word(&rest[..first.len_utf8()]) => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
            }
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        if !first.is_whitespace() {
            found.push((&rest[..length], line));
        }
        line += usize::from(first == '\n');
        rest = &rest[length..];
    }
    found
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

pub fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}
