//! Texts as words, and patterns of words.

use std::fmt;

/// A word in lower case, with its line.
pub struct Word {
    pub text: String,
    pub line: usize,
}

/// A sequence of words; one that ends in `*` stands for every word that begins so.
pub struct Pattern(Vec<(String, bool)>);

impl Pattern {
    pub fn parse(text: &str) -> Self {
        let part = |word: &str| (word.trim_end_matches('*').to_lowercase(), word.ends_with('*'));
        let parts: Vec<_> = text.split_whitespace().map(part).collect();
        assert!(!parts.is_empty(), "a pattern without a word");
        Pattern(parts)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn matches_at(&self, words: &[Word], at: usize) -> bool {
        let here = words.get(at..at + self.len()).unwrap_or_default();
        let fits = |(part, is_prefix): &(String, bool), word: &str| {
            if *is_prefix { word.starts_with(part.as_str()) } else { word == part.as_str() }
        };
        here.len() == self.len() && self.0.iter().zip(here).all(|(part, word)| fits(part, &word.text))
    }

    /// Whether this stands somewhere around the `len` words from `at`.
    pub fn covers(&self, words: &[Word], at: usize, len: usize) -> bool {
        let first = (at + len).saturating_sub(self.len());
        (first..=at).any(|start| self.matches_at(words, start))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.0.iter().map(|(part, many)| format!("{part}{}", if *many { "*" } else { "" })).collect();
        f.write_str(&parts.join(" "))
    }
}

/// The words of a text. Names in code are split: `is_burnt` and `isBurnt` are two words each.
pub fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut word = String::new();
        let mut before = ' ';
        for (index, character) in line.char_indices() {
            let after = line[index + character.len_utf8()..].chars().next().unwrap_or(' ');
            let is_apostrophe = matches!(character, '\'' | '’') && before.is_alphabetic() && after.is_alphabetic();
            let begins_word = before.is_lowercase() && character.is_uppercase();
            if (begins_word || !(character.is_alphabetic() || is_apostrophe)) && !word.is_empty() {
                found.push(Word { text: std::mem::take(&mut word), line: number + 1 });
            }
            if character.is_alphabetic() {
                word.extend(character.to_lowercase());
            } else if is_apostrophe {
                word.push('\'');
            }
            before = character;
        }
        if !word.is_empty() {
            found.push(Word { text: word, line: number + 1 });
        }
    }
    found
}

/// What people read of a file: all of a document; of code, comments and string literals, each on its line.
pub fn prose(path: &str, text: &str) -> String {
    if !path.ends_with(".rs") {
        return text.to_owned();
    }
    text.lines().map(|line| prose_of_line(line) + "\n").collect()
}

fn prose_of_line(line: &str) -> String {
    if let Some((_, comment)) = line.split_once("//") {
        return comment.to_owned();
    }
    line.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" ")
}
