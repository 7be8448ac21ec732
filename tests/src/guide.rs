//! A guide of the book, read for what it tells its reader to do.

#![allow(clippy::expect_used, clippy::panic, reason = "a test helper tells a misuse by failing the test")]

use std::path::Path;

/// A page of the book.
#[derive(Debug)]
pub struct Guide {
    text: String,
}

impl Guide {
    /// The page `docs/guides/NAME.md`.
    pub fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/guides/{name}.md"));
        Guide { text: std::fs::read_to_string(path).expect("a guide") }
    }

    /// The file that the page gives under this name: the code block after a paragraph that begins with it.
    pub fn file(&self, name: &str) -> &str {
        let start = self.text.find(&format!("\n`{name}`")).unwrap_or_else(|| panic!("the guide has no {name}"));
        let block = &self.text[start..];
        let block = &block[block.find("\n```").expect("a code block") + 1..];
        let block = &block[block.find('\n').expect("a line") + 1..];
        &block[..block.find("```").expect("its end")]
    }

    /// Returns whether the page has this text.
    pub fn says(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// The arguments of each line that calls `program`.
    pub fn commands<'a>(&'a self, program: &'a str) -> impl Iterator<Item = Vec<&'a str>> {
        self.text.lines().filter_map(move |line| Some(line.strip_prefix(program)?.split_whitespace().collect()))
    }
}
