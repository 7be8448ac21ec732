//! Tokens as a reader expects them.

use quote::ToTokens;
use syn::Attribute;

/// The attributes of these names.
pub fn shown(attributes: &[Attribute], names: &[&str]) -> String {
    let kept = attributes.iter().filter(|attribute| names.iter().any(|name| attribute.path().is_ident(name)));
    kept.map(|attribute| format!("{} ", tidy(attribute))).collect()
}

/// Drops the documentation from the text of a macro's call.
pub fn without_docs(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once("# [doc = ") {
        kept.push_str(before);
        rest = after.split_once("\"]").map_or("", |(_, rest)| rest).trim_start();
    }
    tidy_text(&(kept + rest))
}

/// Tokens on one line.
pub fn tidy(tokens: &impl ToTokens) -> String {
    tidy_text(&tokens.to_token_stream().to_string())
}

/// Tokens with the spaces that a reader expects.
fn tidy_text(text: &str) -> String {
    const PAIRS: [(&str, &str); 22] = [
        ("\n", " "),
        ("  ", " "),
        ("# [", "#["),
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        (" ,", ","),
        (" :", ":"),
        (" ;", ";"),
        ("& ", "&"),
        ("* ", "*"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (",)", ")"),
        ("->(", "-> ("),
        (":(", ": ("),
        (",(", ", ("),
        (" !", "!"),
        ("mut self", "self"),
        (" { }", ""),
    ];
    PAIRS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
