//! The words of this project: none that `words.txt` lists, first lines of docs that name or act, no requirement ids.

mod text;

use std::fs;
use std::path::{Path, PathBuf};

use text::{Pattern, Word, prose, words};

/// The folders and files that are read, and the endings of the files in them.
const READ: [&str; 7] = ["crates", "docs", "examples", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];
const ENDINGS: [&str; 7] = ["rs", "md", "html", "css", "js", "json", "toml"];

/// Made from the names of tests.
const NOT_READ: &str = "conformance.md";

/// A first line of documentation does not begin with one of these.
const QUESTION_WORDS: [&str; 10] =
    ["What", "Where", "Who", "Whose", "Whom", "How", "Whether", "Which", "Why", "Whatever"];

/// A line of `words.txt`.
struct Rule {
    avoid: Pattern,
    instead: String,
    right_uses: Vec<Pattern>,
    is_for_text_only: bool,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rules() -> Vec<Rule> {
    let mut is_for_text_only = false;
    let mut rules = Vec::new();
    for line in include_str!("words.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if line.starts_with('[') {
            is_for_text_only = line == "[text]";
            continue;
        }
        let mut cells = line.split('|').map(str::trim);
        let mut cell = || cells.next().unwrap_or_default();
        let (avoid, instead, right_uses) = (Pattern::parse(cell()), cell().to_owned(), cell());
        assert!(!instead.is_empty(), "words.txt: {line:?} does not say what to write instead");
        let right_uses = right_uses.split(';').filter(|use_| !use_.trim().is_empty()).map(Pattern::parse).collect();
        rules.push(Rule { avoid, instead, right_uses, is_for_text_only });
    }
    rules
}

/// The files that are read, with their paths below the root.
fn files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in READ {
        collect(&root().join(path), &mut found);
    }
    let shown = |path: &Path| path.strip_prefix(root()).expect("below the root").display().to_string();
    found.iter().map(|path| (shown(path), fs::read_to_string(path).expect("a text"))).collect()
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if path.is_dir() {
        // The crates' integration tests have words of attackers.
        if name != "tests" && name != "target" {
            fs::read_dir(path).expect("a folder").flatten().for_each(|entry| collect(&entry.path(), found));
        }
    } else if path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) && name != NOT_READ {
        found.push(path.to_owned());
    }
}

/// The rules that `words` break.
fn faults(path: &str, words: &[Word], rules: &[&Rule], found: &mut Vec<String>) {
    for at in 0..words.len() {
        for rule in rules.iter().filter(|rule| rule.avoid.matches_at(words, at)) {
            if !rule.right_uses.iter().any(|right| right.covers(words, at, rule.avoid.len())) {
                let (avoid, line) = (&rule.avoid, words[at].line);
                found.push(format!("{path}:{line}: \"{avoid}\"; write instead: {}", rule.instead));
            }
        }
    }
}

#[test]
fn nothing_uses_a_word_that_is_to_be_avoided() {
    let rules = rules();
    let (for_text, for_all): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(|rule| rule.is_for_text_only);
    let mut found = Vec::new();
    for (path, text) in files() {
        faults(&path, &words(&text), &for_all, &mut found);
        faults(&path, &words(&prose(&path, &text)), &for_text, &mut found);
    }
    assert!(found.is_empty(), "{} words to avoid; see tests/words/words.txt\n{}", found.len(), found.join("\n"));
}

/// The lines that begin the documentation of an item or a file.
fn first_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let marker = |line: &str| ["///", "//!"].into_iter().find(|marker| line.trim_start().starts_with(marker));
    let mut before = None;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let marked = marker(line);
        let is_first = marked.is_some() && marked != before;
        before = marked;
        is_first.then(|| (number + 1, line.trim_start()[3..].trim()))
    })
}

#[test]
fn first_lines_of_docs_name_a_thing_or_what_it_does() {
    let mut found = Vec::new();
    for (path, text) in files().iter().filter(|(path, _)| path.ends_with(".rs") && path.contains("/src/")) {
        for (number, line) in first_lines(text) {
            let first = line.split([' ', ',']).next().unwrap_or_default();
            if QUESTION_WORDS.contains(&first) {
                found.push(format!("{path}:{number}: begins with {first:?}: {line}"));
            }
        }
    }
    assert!(found.is_empty(), "{} first lines\n{}", found.len(), found.join("\n"));
}

#[test]
fn requirement_ids_stand_in_tests_only() {
    let is_id = |word: &str| {
        let parts = word.strip_prefix('S').and_then(|rest| rest.split_once('.'));
        parts.is_some_and(|(group, number)| {
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits(group) && digits(number) && number.len() == 2
        })
    };
    let mut found = Vec::new();
    for (path, text) in files().iter().filter(|(path, _)| path.ends_with(".rs") && path.contains("/src/")) {
        if ["tests.rs", "vectors.rs", "properties.rs"].iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let mut words = line.split(|character: char| !character.is_ascii_alphanumeric() && character != '.');
            if line.contains("//") && words.any(|word| is_id(word.trim_matches('.'))) {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{} requirement ids\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_rules_find_what_they_are_for() {
    let rules = rules();
    let all: Vec<&Rule> = rules.iter().collect();
    let hits = |text: &str| {
        let mut found = Vec::new();
        faults("text", &words(text), &all, &mut found);
        found
    };
    assert_eq!(hits("two strangers").len(), 1);
    assert_eq!(hits("fn is_burnt() struct TwinRequest").len(), 2);
    assert_eq!(hits("// letter by\n// letter").len(), 1);
    assert_eq!(hits("we recommend a single flight, secure and obscure"), Vec::<String>::new());
    assert_eq!(words(&prose("a.rs", "impl A where the: B {} // if\nlet a = \"where the\";")).len(), 3);
}
