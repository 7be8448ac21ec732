use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::marker::PhantomData;

use proptest::prelude::*;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;

/// The result here is the same as with `serde_json`, for good texts and for bad ones.
fn is_alike<C: DeserializeOwned + PartialEq + fmt::Debug>(json: &str) {
    let by_serde_json = serde_json::from_str::<C>(json).ok();
    if let Some(decoded) = decode_plain::<C>(json) {
        assert_eq!(Some(&decoded), by_serde_json.as_ref(), "{json}");
    }
    assert_eq!(decode::<C>(json).ok(), by_serde_json, "{json}");
}

/// And without its help.
fn is_plain<C: DeserializeOwned + PartialEq + fmt::Debug>(json: &str) {
    assert!(decode_plain::<C>(json).is_some(), "{json}");
    is_alike::<C>(json);
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
    Text(String),
    Named { name: BTreeMap<String, f64> },
}

#[derive(Debug, Deserialize, PartialEq)]
enum Plan {
    Free,
    Paid(u32),
    Custom { seats: u16 },
}

#[derive(Debug, Deserialize, PartialEq)]
struct Newtype(Option<i64>);

#[derive(Debug, Deserialize, PartialEq)]
struct Unit;

#[derive(Debug, Deserialize, PartialEq)]
struct Own {
    sub: String,
    exp: u64,
    small: Option<f32>,
    newtype: Newtype,
    plan: Vec<Plan>,
    pair: (char, bool),
    #[serde(default)]
    any: Option<Untagged>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[test]
fn every_kind_of_value_is_read_as_serde_json_reads_it() {
    is_plain::<Own>(
        r#" { "sub" : "ann", "exp":1700000000, "small":0.1, "newtype":-7, "plan":["Free",{"Paid":3},{"Custom":{"seats":2}}],
        "pair":["\u00e9",true], "any":{"name":{"a\"b":1e2,"c":-0}}, "more":[1,[2.5,{}],[]], "\ud83d\ude00":"\ud83d\ude00" } "#,
    );
    is_plain::<Own>(r#"{"sub":"","exp":0,"small":null,"newtype":null,"plan":[],"pair":["x",false],"any":null}"#);
    for text in ["1", "-1", "255", "256", "1.0", "1e0", "18446744073709551615", "18446744073709551616", "-0", "0"] {
        is_alike::<u8>(text);
        is_alike::<i64>(text);
        is_alike::<u64>(text);
        is_alike::<i128>(text);
        is_alike::<f32>(text);
        is_alike::<f64>(text);
        is_alike::<Value>(text);
        is_alike::<HashMap<String, f32>>(&format!(r#"{{"a":{text}}}"#));
    }
    for text in
        ["12345678", "123456789", "1234567890123456789", "12345678901234567890", "1234567a", "01234567", "0x345678"]
    {
        is_alike::<u64>(text);
        is_alike::<Value>(text);
    }
    is_plain::<Unit>("null");
    is_plain::<()>(" null ");
    is_plain::<Option<Vec<Option<String>>>>(r#"[null,"a"]"#);
    is_plain::<[u16; 3]>("[1, 2 ,3]");
    is_alike::<[u16; 3]>("[1,2,3,4]");
    is_alike::<(u8, u8)>("[1]");
    is_alike::<Plan>(r#"{"Paid":1,"Free":null}"#);
    is_alike::<HashMap<u64, bool>>(r#"{"7":true}"#);
    is_alike::<HashMap<bool, u8>>(r#"{"true":1}"#);
    is_alike::<HashMap<Plan2, u8>>(r#"{"A":1}"#);
    is_alike::<Vec<u8>>("[1,2]");
    is_alike::<char>(r#""ab""#);
    is_alike::<bool>("truex");
    let raw = decode::<HashMap<String, Box<RawValue>>>(r#"{"a": [1 ,2] }"#).expect("raw JSON");
    assert_eq!(raw["a"].get(), "[1 ,2]");
}

#[derive(Debug, Deserialize, Eq, Hash, PartialEq)]
enum Plan2 {
    A,
}

#[test]
fn a_text_that_is_not_json_is_refused_wherever_it_is_wrong() {
    for json in [
        "",
        " ",
        "{",
        "}",
        "{}}",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a":1"b":2}"#,
        r#"{a:1}"#,
        r#"{"a":1]"#,
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        r#"{"a":01}"#,
        r#"{"a":1.}"#,
        r#"{"a":tru}"#,
        r#"{"a":nullx}"#,
        "{\"a\":\"\n\"}",
        r#"{"a":"\x"}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":1} x"#,
        "\u{feff}{}",
    ] {
        assert!(decode::<Value>(json).is_err(), "{json}");
        assert!(decode::<HashMap<String, Value>>(json).is_err(), "{json}");
        assert!(decode_plain::<IgnoredAny>(json).is_none(), "{json}");
    }
}

#[test]
fn names_that_occur_twice_are_handed_over_as_serde_json_does() {
    is_alike::<Value>(r#"{"a":1,"a":2}"#);
    is_alike::<Own>(r#"{"sub":"a","sub":"b","exp":1,"newtype":1,"plan":[],"pair":["a",true]}"#);
    #[derive(Debug, Deserialize, PartialEq)]
    struct Empty {}
    is_alike::<Empty>(r#"{"x":{"a":1,"a":2}}"#);
}

#[test]
fn deep_and_long_texts_are_left_to_serde_json() {
    for levels in [MAX_CLAIMS_DEPTH, MAX_CLAIMS_DEPTH + 1, 127, 128, 200] {
        let deep = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(decode_plain::<Value>(&deep).is_some(), levels <= MAX_CLAIMS_DEPTH);
        is_alike::<Value>(&deep);
    }
    let long = format!("\"{}\"", "x".repeat(MAX_BYTES));
    assert!(decode_plain::<String>(&long).is_none());
    is_alike::<String>(&long);
}

/// A part of which it ignores errors.
#[derive(Debug, PartialEq)]
struct Lenient<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct First<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for First<T> {
            type Value = Lenient<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Lenient<T>, A::Error> {
                let first = map.next_entry::<T, IgnoredAny>().ok().flatten().map(|(name, _)| name);
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Lenient(first))
            }
        }
        deserializer.deserialize_map(First(PhantomData))
    }
}

#[test]
fn a_type_that_ignores_an_error_made_here_is_read_by_serde_json() {
    assert_eq!(decode::<Lenient<u64>>(r#"{"7":1}"#).expect("a map"), Lenient(Some(7)), "names that are numbers");
    is_alike::<Lenient<u64>>(r#"{"7":1,"x":2}"#);
    is_alike::<Lenient<String>>(r#"{"7":1,"x":2}"#);
}

/// Text, or nothing instead of any other value.
#[derive(Debug, PartialEq)]
struct TextOrNothing(Option<String>);

impl<'de> Deserialize<'de> for TextOrNothing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = String;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<String, E> {
                Ok(text.to_owned())
            }
        }
        Ok(TextOrNothing(deserializer.deserialize_any(Text).ok()))
    }
}

#[test]
fn a_part_that_is_left_in_the_middle_does_not_move_members_elsewhere() {
    for json in [
        r#"{"a":{"b":{}},"c":{"d":"e"}}"#,
        r#"{"a":{"b":{},"x":"y"},"c":{"d":"e"}}"#,
        r#"{"a":{"b":[],"x":"y"}}"#,
        r#"{"a":{"b":7,"x":null,"y":true,"z":-1.5}}"#,
        r#"{"a":{"b":[1],"x":"y"}}"#,
    ] {
        is_alike::<BTreeMap<String, BTreeMap<String, TextOrNothing>>>(json);
        is_alike::<BTreeMap<String, TextOrNothing>>(json);
    }
}

/// Values with any strings and numbers, some levels deep.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"\\\\é]{0,9}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_is_read_as_it_was_written(value in values()) {
        let (compact, spaced) = (value.to_string(), serde_json::to_string_pretty(&value).expect("JSON"));
        for json in [compact, spaced] {
            prop_assert_eq!(decode_plain::<Value>(&json), serde_json::from_str(&json).ok());
        }
    }

    #[test]
    fn whatever_the_text_both_readers_agree(json in "[\\[\\]{}\",:0-9eE.+\\\\ntrufalsx\\- ]{0,12}") {
        is_alike::<Value>(&json);
        is_alike::<HashMap<String, Value>>(&json);
        is_alike::<Vec<Option<f64>>>(&json);
        is_alike::<u64>(&json);
    }
}
