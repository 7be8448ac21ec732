//! JSON without its ambiguities: a name once per object, bounded depth, bounded numbers.
//!
//! Existing libraries keep the last of two equal names, or hand every value to a visitor before a rule can refuse it. Strings with escapes, and numbers other than plain integers, are still parsed by `serde_json`.

use serde_json::Value;
use smallvec::SmallVec;

use super::text::Text;

/// The deepest nesting read in a header.
pub(crate) const MAX_HEADER_DEPTH: usize = 8;

/// The deepest nesting read in claims.
pub(crate) const MAX_CLAIMS_DEPTH: usize = 32;

/// The longest number read, in characters.
const MAX_NUMBER_CHARS: usize = 64;

/// The number of digits that always fit into 64 bits.
const MOST_DIGITS: usize = 19;

/// The number of names in an object up to which duplicates are found without sorting.
const FEW_NAMES: usize = 32;

/// The text is not JSON within the rules. The reason is not reported: only its author could use it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

/// A number: an integer from 0 on of at most 19 digits, or any other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Whole(u64),
    Other(f64),
}

/// A reader of JSON text, front to back. It skips white space (RFC 8259 §2) before each value, name and sign.
pub(crate) struct Reader<'j> {
    json: &'j str,
    at: usize,
    /// The strings that had escapes, unescaped and joined.
    unescaped: String,
    /// True if an object within the value has a name of selective disclosure.
    has_disclosures: bool,
}

impl<'j> Reader<'j> {
    pub(crate) fn new(json: &'j str) -> Self {
        Reader { json, at: 0, unescaped: String::new(), has_disclosures: false }
    }

    /// Returns whether an object that was read by [`members`](Self::members) or skipped stands for members or items that are
    /// disclosed elsewhere (`_sd` and `...` of RFC 9901 §4.2.4).
    pub(crate) fn has_disclosures(&self) -> bool {
        self.has_disclosures
    }

    /// The strings that had escapes, unescaped and joined.
    pub(crate) fn into_unescaped(self) -> String {
        self.unescaped
    }

    /// The text of a range.
    #[inline]
    pub(crate) fn text(&self, range: Text) -> &str {
        #[cfg(test)]
        tests::TEXTS_READ.set(tests::TEXTS_READ.get() + 1);
        range.of(self.json, &self.unescaped)
    }

    /// The bytes of a range: for comparisons, which need not look for the borders of characters.
    #[inline]
    pub(crate) fn bytes(&self, range: Text) -> &[u8] {
        #[cfg(test)]
        tests::TEXTS_READ.set(tests::TEXTS_READ.get() + 1);
        range.bytes_of(self.json, &self.unescaped)
    }

    /// The text of a range within the JSON; `None` for a string that had escapes.
    #[inline]
    pub(crate) fn plain(&self, range: Text) -> Option<&'j str> {
        range.within(self.json)
    }

    /// The text of a value that was skipped.
    #[inline]
    pub(crate) fn written(&self, value: Text) -> &'j str {
        value.within(self.json).unwrap_or_default()
    }

    /// The text since an earlier position.
    pub(crate) fn since(&self, position: usize) -> &'j str {
        self.json.get(position..self.at).unwrap_or_default()
    }

    /// The position, for [`is_null_since`](Self::is_null_since) and [`since`](Self::since).
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Returns whether the text since an earlier position is `null`.
    pub(crate) fn is_null_since(&self, position: usize) -> bool {
        self.since(position).trim_ascii() == "null"
    }

    /// The first byte of the next value, name or sign.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        match self.json.as_bytes().get(self.at) {
            Some(byte) if *byte > b' ' => Some(*byte),
            _ => self.peek_beyond_space(),
        }
    }

    #[cold]
    fn peek_beyond_space(&mut self) -> Option<u8> {
        let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.rest().iter().take_while(is_space).count();
        self.rest().first().copied()
    }

    fn rest(&self) -> &'j [u8] {
        self.json.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Consumes `sign`, if it comes next.
    #[inline]
    fn takes(&mut self, sign: u8) -> bool {
        let is_next = self.json.as_bytes().get(self.at) == Some(&sign) || self.peek() == Some(sign);
        if is_next {
            self.at += 1;
        }
        is_next
    }

    #[inline]
    pub(crate) fn expect(&mut self, sign: u8) -> Result<(), NotJson> {
        if self.takes(sign) { Ok(()) } else { Err(NotJson) }
    }

    /// An error unless only white space follows.
    pub(crate) fn end(&mut self) -> Result<(), NotJson> {
        if self.peek().is_none() { Ok(()) } else { Err(NotJson) }
    }

    /// Reads an object whose names must differ: `member` receives each name and reads its value.
    #[inline]
    pub(crate) fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Text) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        let mut names = Names::default();
        self.object(|reader, name| {
            names.add(name, reader)?;
            reader.has_disclosures |= matches!(reader.bytes(name), b"_sd" | b"...");
            member(reader, name)
        })?;
        names.finish(self)
    }

    /// Reads an object as [`members`](Self::members) does, but `member` must find duplicate names.
    #[inline]
    pub(crate) fn object<E: From<NotJson>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Text) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'{')?;
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            member(self, name)?;
            if !self.takes(b',') {
                return Ok(self.expect(b'}')?);
            }
        }
    }

    /// Reads a list; `item` reads each value.
    #[inline]
    pub(crate) fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), NotJson>) -> Result<(), NotJson> {
        self.expect(b'[')?;
        if self.takes(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            if !self.takes(b',') {
                return self.expect(b']');
            }
        }
    }

    /// Reads a string.
    #[inline(always)] // read some thirty times a token, and most are shorter than a call
    pub(crate) fn string(&mut self) -> Result<Text, NotJson> {
        self.expect(b'"')?;
        let start = self.at;
        match end_of_plain(self.rest()) {
            Some((length, b'"')) => {
                self.at += length + 1;
                Ok(Text::new(start, length))
            }
            Some((length, b'\\')) => self.escaped_string(start, length),
            _ => Err(NotJson), // a control character, or no end
        }
    }

    /// The rest of a string that began at `start`, from its first backslash on.
    #[cold]
    fn escaped_string(&mut self, start: usize, mut plain: usize) -> Result<Text, NotJson> {
        loop {
            self.at += plain + 2; // an escaped quote does not end the string
            let found = end_of_plain(self.rest()).ok_or(NotJson)?;
            match found {
                (length, b'"') => {
                    self.at += length + 1;
                    break;
                }
                (length, b'\\') => plain = length,
                _ => return Err(NotJson),
            }
        }
        let with_quotes = self.json.get(start - 1..self.at).ok_or(NotJson)?;
        let meant: String = serde_json::from_str(with_quotes).map_err(|_| NotJson)?;
        let range = Text::new(self.json.len() + self.unescaped.len(), meant.len());
        self.unescaped.push_str(&meant);
        Ok(range)
    }

    /// Reads a number of at most 64 characters, within the range of `f64`.
    pub(crate) fn number(&mut self) -> Result<Number, NotJson> {
        self.peek();
        let rest = self.rest();
        // Times have ten digits: eight at once, then the others.
        let (mut whole, mut length) = rest.first_chunk().and_then(eight_digits).map_or((0_u64, 0), |eight| (eight, 8));
        while let Some(digit) = rest.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            if length == MOST_DIGITS {
                return self.other_number();
            }
            (whole, length) = (whole * 10 + u64::from(digit), length + 1);
        }
        let is_padded = length > 1 && rest[0] == b'0';
        if length == 0 || is_padded || rest.get(length).is_some_and(is_part_of_number) {
            return self.other_number();
        }
        self.at += length;
        Ok(Number::Whole(whole))
    }

    /// Reads a number that is more than digits, or too many of them.
    #[cold]
    fn other_number(&mut self) -> Result<Number, NotJson> {
        let length = self.rest().iter().take_while(|byte| is_part_of_number(byte)).count();
        let written = self.rest().get(..length).filter(|_| length <= MAX_NUMBER_CHARS).ok_or(NotJson)?;
        self.at += length;
        serde_json::from_slice(written).map(Number::Other).map_err(|_| NotJson)
    }

    /// Skips a value and returns its range. Refuses duplicate names, and lists or objects more than `depth` deep; stores
    /// no unescaped string.
    pub(crate) fn skip(&mut self, depth: usize) -> Result<Text, NotJson> {
        let first = self.peek().ok_or(NotJson)?;
        let (start, unescaped) = (self.at, self.unescaped.len());
        let inner = || depth.checked_sub(1).ok_or(NotJson);
        match first {
            b'"' => self.string().map(|_| ())?,
            b'{' => {
                let inner = inner()?;
                self.members(|reader, _| reader.skip(inner).map(|_| ()))?;
            }
            b'[' => {
                let inner = inner()?;
                self.list(|reader| reader.skip(inner).map(|_| ()))?;
            }
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            b'n' => self.word(b"null")?,
            _ => self.number().map(|_| ())?,
        }
        self.unescaped.truncate(unescaped);
        Ok(Text::new(start, self.at - start))
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        if !self.rest().starts_with(word) {
            return Err(NotJson);
        }
        self.at += word.len();
        Ok(())
    }
}

/// Returns whether JSON has no object with a name twice; other faults are for its reader to find.
///
/// ```
/// use countersign_core::integration::has_unique_names;
///
/// assert!(has_unique_names(r#"{"a":{"a":1}}"#));
/// assert!(!has_unique_names(r#"{"a":1,"\u0061":2}"#));
/// ```
#[must_use]
pub fn has_unique_names(json: &str) -> bool {
    let mut reader = Reader::new(json);
    reader.skip(MAX_CLAIMS_DEPTH).is_ok() && reader.end().is_ok()
        || serde_json::from_str::<serde::de::IgnoredAny>(json).is_err()
}

/// Parses JSON for display by tools: with duplicate names, to a depth of 64.
pub(crate) fn parse_for_display(json: &[u8]) -> Option<Value> {
    fn check(reader: &mut Reader<'_>, depth: usize) -> Result<(), NotJson> {
        let inner = || depth.checked_sub(1).ok_or(NotJson);
        match reader.peek() {
            Some(b'{') => reader.object(|reader, name| {
                refuse_private(reader.text(name))?;
                check(reader, inner()?)
            }),
            Some(b'[') => reader.list(|reader| check(reader, inner()?)),
            _ => reader.skip(0).map(|_| ()),
        }
    }
    let json = std::str::from_utf8(json).ok()?;
    check(&mut Reader::new(json), 64).ok()?;
    serde_json::from_str(json).ok()
}

/// An error for names that are internal marks of `serde_json`: with some of its features, it parses their values as JSON
/// or numbers, which bypasses every rule.
fn refuse_private(name: &str) -> Result<(), NotJson> {
    if is_private(name) { Err(NotJson) } else { Ok(()) }
}

/// Returns whether a name is an internal mark of `serde_json`.
pub(super) fn is_private(name: &str) -> bool {
    name.starts_with("$serde_json::private::")
}

fn is_part_of_number(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
}

/// Times a byte: that byte eight times.
const EACH: u64 = u64::MAX / 255;

/// The number that eight digits stand for; `None` if a byte is no digit.
#[inline]
fn eight_digits(digits: &[u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(*digits);
    let high_halves = EACH * 0xf0;
    // Digits are 0x30 to 0x39: their high half is 3, also after 6 is added. The bytes are so small that no sum has a carry.
    let is_three = |word: u64| word & high_halves == EACH * 0x30;
    if !is_three(word) || !is_three(word + EACH * 6) {
        return None;
    }
    // Each step joins neighbours: digits, then pairs, then fours. The first of them is in the lowest byte.
    let digits = word & (EACH * 0x0f);
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours & 0xffff) * 10_000 + (fours >> 32))
}

/// The first quote, backslash or control character, and the number of bytes before it.
#[inline]
fn end_of_plain(bytes: &[u8]) -> Option<(usize, u8)> {
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*chunk);
        // Sets the highest bit of bytes below `limit`; exact up to the first such byte, which is the one needed.
        let below = |word: u64, limit: u64| word.wrapping_sub(EACH * limit) & !word;
        let quote_or_control = below(word ^ (EACH * 2), 33); // a quote with that bit turned is 32
        let backslash = below(word ^ (EACH * u64::from(b'\\')), 1);
        let found = (quote_or_control | backslash) & (EACH << 7);
        if found != 0 {
            let at = found.trailing_zeros() as usize / 8;
            return Some((bytes.len() - rest.len() + at, chunk[at]));
        }
        rest = after;
    }
    let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..b' '))?;
    Some((bytes.len() - rest.len() + end, rest[end]))
}

/// The names seen in one object.
#[derive(Default)]
pub(crate) struct Names(SmallVec<[Text; FEW_NAMES]>);

impl Names {
    /// Adds a name, which must be new. Beyond the first few, [`finish`](Self::finish) finds duplicates.
    pub(crate) fn add(&mut self, name: Text, reader: &Reader<'_>) -> Result<(), NotJson> {
        let text = reader.bytes(name);
        let is_same = |known: &Text| known.len() == text.len() && reader.bytes(*known) == text;
        refuse_duplicate(self.0.len() >= FEW_NAMES || !self.0.iter().any(is_same))?;
        if text.first() == Some(&b'$') {
            refuse_private(reader.text(name))?;
        }
        self.0.push(name);
        Ok(())
    }

    /// Checks objects of many names by sorting, so that time stays nearly linear.
    pub(crate) fn finish(&mut self, reader: &Reader<'_>) -> Result<(), NotJson> {
        if self.0.len() <= FEW_NAMES {
            return Ok(());
        }
        self.0.sort_unstable_by_key(|name| reader.bytes(*name));
        refuse_duplicate(self.0.windows(2).all(|pair| reader.bytes(pair[0]) != reader.bytes(pair[1])))
    }
}

/// An error unless a name is new.
pub(crate) fn refuse_duplicate(is_new: bool) -> Result<(), NotJson> {
    if is_new { Ok(()) } else { Err(NotJson) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    thread_local! {
        /// The texts that readers of this thread read a second time, such as to compare names.
        pub(super) static TEXTS_READ: Cell<usize> = const { Cell::new(0) };
    }

    /// Each byte is read once, as the position only goes forward: what remains are the comparisons of names.
    #[test]
    fn s11_08_the_names_of_a_wide_object_are_compared_in_nearly_linear_time() {
        let comparisons = |count: usize| {
            let members: Vec<String> = (0..count).map(|index| format!("\"m{}\":0", index * 7919 % count)).collect();
            let before = TEXTS_READ.get();
            assert!(skim(&format!("{{{}}}", members.join(",")), 8).is_ok());
            TEXTS_READ.get() - before
        };
        for count in [1_800, 10_000] {
            let (once, twice) = (comparisons(count), comparisons(2 * count));
            assert!(twice < 3 * once, "{count} members: {once} texts, twice as many: {twice}");
        }
    }

    fn skim(json: &str, depth: usize) -> Result<(), NotJson> {
        let mut reader = Reader::new(json);
        reader.skip(depth)?;
        assert_eq!(reader.unescaped, "", "skipped strings are not stored");
        reader.end()
    }

    #[test]
    fn s1_09_s1_10_a_name_occurs_once_per_object_at_every_depth() {
        for duplicate in
            [r#"{"a":1,"a":2}"#, r#"{"x":[{"b":1,"b":1}]}"#, r#"{"a":1,"\u0061":2}"#, r#"{"\u0061":{},"a":2}"#]
        {
            assert!(skim(duplicate, 8).is_err(), "{duplicate}");
        }
        assert!(skim(r#"{"a":{"a":1},"b":[{"a":1},{"a":2}],"\u0063":0,"\u0064":{"\u0063":0}}"#, 8).is_ok());
        let many: Vec<String> = (0..40).map(|i| format!("\"n{i}\":{i}")).collect();
        assert!(skim(&format!("{{{}}}", many.join(",")), 8).is_ok());
        assert!(skim(&format!("{{{},\"n3\":0}}", many.join(",")), 8).is_err());
        assert!(skim(&format!("{{\"\\u006e39\":0,{}}}", many.join(",")), 8).is_err());
    }

    #[test]
    fn s1_21_depth_is_counted() {
        for (open, close) in [("[", "]"), ("{\"a\":[", "]}")] {
            let nested = |times: usize| format!("{}{}", open.repeat(times), close.repeat(times));
            let deepest = 8 / open.matches(['[', '{']).count();
            assert!(skim(&nested(deepest), 8).is_ok());
            assert!(skim(&nested(deepest + 1), 8).is_err());
        }
        assert!(skim(&"[".repeat(100_000), 8).is_err());
    }

    #[test]
    fn s1_22_numbers_are_bounded_in_every_position() {
        for (before, after) in [("", ""), (" ", "\n"), ("[", "]"), ("{\"a\":", "}"), ("[1,[\t", ",\"\"]]")] {
            let is_read = |number: &str| skim(&format!("{before}{number}{after}"), 8).is_ok();
            assert!(is_read(&"1".repeat(64)) && !is_read(&"1".repeat(65)), "{before}");
            assert!(
                is_read(&format!("0.{}", "1".repeat(62))) && !is_read(&format!("0.{}", "1".repeat(63))),
                "{before}"
            );
            assert!(is_read(&format!("\"{}\"", "1".repeat(200))), "{before}");
            assert!(is_read("1e-400") && !is_read("1e400") && !is_read("-1e400"), "{before}");
        }
    }

    /// With its feature `raw_value`, serde_json reads the string behind such a name as JSON: duplicate names, depth and all.
    #[test]
    fn s1_10_s1_21_names_that_mean_something_to_serde_json_are_refused() {
        let hidden = r#"{"a":["x"],"a":["admin"]}"#;
        for name in ["$serde_json::private::RawValue", "$serde_json::private::Number", "\\u0024serde_json::private::x"]
        {
            for value in ["1", "\"1\"", &serde_json::Value::from(hidden).to_string()] {
                for (before, after) in [("", ""), ("[", "]"), ("{\"a\":", "}"), ("{\"a\":0,\"b\":[", "]}")] {
                    let json = format!("{before}{{\"{name}\":{value}}}{after}");
                    assert_eq!(skim(&json, 8), Err(NotJson), "{json}");
                    assert_eq!(parse_for_display(json.as_bytes()), None, "{json}");
                }
            }
        }
        let shown =
            parse_for_display(br#"{"a":1,"a":[{"serde_json":"$serde_json::private::RawValue"}]}"#).expect("to show");
        assert_eq!(shown["a"][0]["serde_json"], "$serde_json::private::RawValue");
        for (depth, is_shown) in [(64, true), (66, false), (100_000, false)] {
            let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(parse_for_display(nested.as_bytes()).is_some(), is_shown, "{depth}");
        }
    }

    #[test]
    fn integers_are_exact_to_19_digits_and_other_numbers_are_floating() {
        let number = |json: &str| Reader::new(json).number();
        for whole in [0, 7, 10, 253_402_300_799, 9_999_999_999_999_999_999] {
            assert_eq!(number(&format!(" {whole}]")), Ok(Number::Whole(whole)), "{whole}");
        }
        for other in ["-1", "-0", "1.5", "1e3", "1E+3", "0.1e-2", "10000000000000000000", "18446744073709551616"] {
            assert_eq!(number(other), Ok(Number::Other(other.parse().expect("a number"))), "{other}");
        }
        for wrong in ["", "-", "01", "00", "-01", "1.", ".5", "1e", "+1", "1-", "1+1", "1e5.", "--1", "e", "x", "é"] {
            assert_eq!(number(wrong), Err(NotJson), "{wrong}");
        }
    }

    #[test]
    fn a_string_ends_at_its_quote_in_every_position() {
        for length in 0..40 {
            let plain = "é".repeat(length / 2) + &"x".repeat(length % 2);
            for after in ["", "\"", ",\"a\\\"b", "\u{1}"] {
                let json = format!("\"{plain}\"{after}");
                let mut reader = Reader::new(&json);
                assert_eq!(reader.string().map(|range| reader.text(range)), Ok(&*plain), "{json}");
                assert_eq!(reader.at, plain.len() + 2, "{json}");
            }
            for wrong in ["", "\u{1}\"", "\u{1f}\"", "\n\"", "\\\"", "\\", "\\x\"", "\\u00\"", "\\ud800\"", "\\é\""] {
                let json = format!("\"{plain}{wrong}");
                assert_eq!(Reader::new(&json).string(), Err(NotJson), "{json}");
            }
        }
    }

    /// Each line of JSONTestSuite, as its name and its bytes.
    fn published() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        let lines = include_str!("../../vectors/json_test_suite.txt").lines();
        lines.filter(|line| !line.starts_with('#')).map(|line| {
            let (name, hex) = line.split_once(' ').unwrap_or((line, ""));
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
            (name, (0..hex.len()).step_by(2).map(byte).collect())
        })
    }

    /// JSON, but with a number of 82 characters, or a name twice.
    const REFUSED_BY_RULE: [&str; 3] =
        ["y_number_double_close_to_zero", "y_object_duplicated_key", "y_object_duplicated_key_and_value"];

    #[test]
    fn s1_08_s1_09_s1_22_published_texts_are_json_or_not_as_published() {
        let mut counts = [0; 3];
        for (name, bytes) in published() {
            let is_read = std::str::from_utf8(&bytes).is_ok_and(|json| skim(json, MAX_CLAIMS_DEPTH).is_ok());
            let is_json = serde_json::from_slice::<Value>(&bytes).is_ok();
            let (kind, expected) = match name.split_once('_').map(|(kind, _)| kind) {
                Some("y") => (0, !REFUSED_BY_RULE.contains(&name)),
                Some("n") => (1, false),
                _ => (2, is_json),
            };
            assert_eq!(is_read, expected, "{name}");
            counts[kind] += 1;
        }
        assert_eq!(counts, [95, 186, 35]);
    }

    /// Any value, written without duplicate names.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-c\"\\\\é\u{1}]{0,3}", inner, 0..6)
                    .prop_map(|members| members.into_iter().collect::<Value>()),
            ]
        })
    }

    /// The number of members of all objects in a value.
    fn members(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.iter().map(members).sum(),
            Value::Object(object) => object.len() + object.values().map(members).sum::<usize>(),
            _ => 0,
        }
    }

    /// The number of colons outside of strings.
    fn colons(json: &str) -> usize {
        let (mut count, mut in_string, mut bytes) = (0, false, json.bytes());
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => in_string = !in_string,
                b'\\' => drop(bytes.next()),
                b':' if !in_string => count += 1,
                _ => {}
            }
        }
        count
    }

    proptest! {
        #[test]
        fn what_is_json_is_read_as_serde_json_reads_it_but_for_duplicate_names(
            value in value(),
            is_pretty in any::<bool>(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), r#"[\[\]{}:,"\\a1.e \-\n\x01]"#), 0..3),
        ) {
            let mut json = if is_pretty { format!("{value:#}") } else { value.to_string() };
            prop_assert!(skim(&json, MAX_CLAIMS_DEPTH).is_ok(), "{json}");
            for (place, edit) in edits {
                let starts: Vec<usize> = json.char_indices().map(|(at, _)| at).collect();
                let at = starts[place.index(starts.len())];
                let end = at + json[at..].chars().next().map_or(0, char::len_utf8);
                json.replace_range(at..end, &edit);
            }
            let is_number = |c: char| c.is_ascii_digit() || ".eE+-".contains(c);
            prop_assume!(json.split(|c| !is_number(c)).all(|number| number.len() <= MAX_NUMBER_CHARS));
            let is_strict = serde_json::from_str::<Value>(&json).is_ok_and(|value| members(&value) == colons(&json));
            prop_assert_eq!(skim(&json, MAX_CLAIMS_DEPTH).is_ok(), is_strict, "{}", json);
        }
    }
}
