//! Arguments of queries and forms: row `ARG-01`.
//!
//! The oracles: `form_urlencoded` for reading, `percent-encoding` for writing, and a vector of pairs for changing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anthill_http::{ArgError, Args};
use proptest::prelude::*;

type Owned = (Vec<u8>, Option<Vec<u8>>);

fn owned(args: &Args) -> Vec<Owned> {
    args.iter().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect()
}

#[track_caller]
fn check(raw: &str, expected: &[(&str, Option<&str>)]) {
    let expected: Vec<Owned> = expected
        .iter()
        .map(|(key, value)| (key.as_bytes().to_vec(), value.map(|value| value.as_bytes().to_vec())))
        .collect();
    let args = Args::parse(raw);
    assert_eq!(owned(&args), expected, "{raw:?}");
    assert_eq!((args.len(), args.is_empty()), (expected.len(), expected.is_empty()));
}

#[test]
fn arg_01_forms_of_pairs() {
    check("", &[]);
    check("key", &[("key", None)]);
    check("key=", &[("key", Some(""))]);
    check("key=value", &[("key", Some("value"))]);
    check("=value", &[("", Some("value"))]);
    check("=", &[]);
    check("&&&", &[]);
    check("n=1&n=2&n=1", &[("n", Some("1")), ("n", Some("2")), ("n", Some("1"))]);
    check("&&one=1&two=2&&&thr_ee=3&", &[("one", Some("1")), ("two", Some("2")), ("thr_ee", Some("3"))]);
    check("&a&&b&c&", &[("a", None), ("b", None), ("c", None)]);
    check("a=1=2==&b", &[("a", Some("1=2==")), ("b", None)]);
    check("x&y=z=&w", &[("x", None), ("y", Some("z=")), ("w", None)]);
    check("gr%C3%BC%c3%9f+e=%20a++b", &[("grüß e", Some(" a  b"))]);
    check("5%=%zz&%4=%%20%&%+41=%2", &[("5%", Some("%zz")), ("%4", Some("% %")), ("% 41", Some("%2"))]);
    check("a.b;c:d/e?f#g=h;i,j=k?l", &[("a.b;c:d/e?f#g", Some("h;i,j=k?l"))]);
    check("%3D%26=%26%3D", &[("=&", Some("&="))]);
}

#[test]
fn arg_01_a_missing_value_is_not_an_empty_one() {
    let mut args = Args::parse("none&empty=&full=x");
    assert_eq!(args.to_string(), "none&empty=&full=x");
    assert_eq!(
        (args.get("none"), args.get("empty"), args.get("gone")),
        (Some(&b""[..]), Some(&b""[..]), None)
    );
    args.set("none", "");
    args.set_no_value("empty");
    args.set_no_value("full");
    args.set_no_value("new");
    args.append_no_value("new");
    assert_eq!(args.to_string(), "none=&empty&full&new&new");
    assert_ne!(Args::parse("a"), Args::parse("a="));
}

#[test]
fn arg_01_every_byte_is_escaped_as_go_does() {
    /// What `url.QueryEscape` keeps.
    const ESCAPED: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');
    let escaped =
        |bytes: &[u8]| percent_encoding::percent_encode(bytes, ESCAPED).to_string().replace(' ', "+");
    let all: Vec<u8> = (0..=255).collect();
    for byte in 0..=255_u8 {
        let args = Args::from_iter([([byte], [byte, byte])]);
        let expected = format!("{}={}", escaped(&[byte]), escaped(&[byte, byte]));
        assert_eq!(args.to_string(), expected, "{byte:#x}");
        assert_eq!(Args::parse(expected), args);
    }
    let args = Args::from_iter([(&all, &all)]);
    assert_eq!(args.to_string(), format!("{0}={0}", escaped(&all)));
    assert_eq!(Args::parse(args.to_bytes()), args);
}

#[test]
fn arg_01_what_is_printed_is_printed_everywhere() {
    let mut args = Args::new();
    for (key, value) in [("a", "1"), ("b c", "ü"), ("", "no key")] {
        args.set(key, value);
    }
    let expected = "a=1&b+c=%C3%BC&=no+key";
    let mut out = b"?".to_vec();
    args.append_to(&mut out);
    assert_eq!(out, format!("?{expected}").as_bytes());
    let mut written = Vec::new();
    args.write_to(&mut written).unwrap();
    assert_eq!(
        (args.to_string().as_str(), args.to_bytes(), written),
        (expected, expected.into(), expected.into())
    );
    assert!(args.write_to(&mut [0_u8; 3][..]).is_err(), "a writer's error is reported");
    assert_eq!(format!("{args:?}"), r#"[("a", Some("1")), ("b c", Some("ü")), ("", Some("no key"))]"#);
}

#[test]
fn arg_01_adding_setting_finding_and_deleting() {
    let mut args = Args::new();
    assert!(!args.remove("a") && !args.contains("a"));
    assert_eq!((args.get("a"), args.get("")), (None, None));
    for value in ["1", "22", "333"] {
        args.append("a", value);
        args.append("A", "other");
    }
    assert_eq!(args.get_all("a").collect::<Vec<_>>(), [&b"1"[..], b"22", b"333"]);
    assert_eq!(args.get_all("b").count(), 0);
    args.set("a", "the first one only");
    assert_eq!(args.get_str("a"), Some("the first one only"));
    assert_eq!(args.get_all("a").count(), 3);
    args.set("b", [0xff]);
    assert_eq!((args.get_str("b"), args.get("b")), (None, Some(&[0xff][..])));
    assert!(args.remove("A") && !args.contains("A") && args.contains("a"));
    assert_eq!(args.to_string(), "a=the+first+one+only&a=22&a=333&b=%FF");
    assert!(args.remove("a") && !args.remove("a"));
    assert_eq!(args.to_string(), "b=%FF");
    args.clear();
    assert!(args.is_empty() && args.get("b").is_none());

    let encoded = Args::parse("x+y=%3D&=z");
    assert!(encoded.contains("x y") && !encoded.contains("x+y") && encoded.contains(""));
    let mut copy = Args::parse("left=over");
    copy.clone_from(&encoded);
    assert_eq!((&copy, copy.clone()), (&encoded, encoded.clone()));
}

/// Parsing thousands of equal pairs and removing them is one pass, not one move of everything for each.
#[test]
fn arg_01_many_pairs_of_one_key_go_at_once() {
    let mut args = Args::parse("a&bb=1&".repeat(200_000));
    assert_eq!(args.len(), 400_000);
    assert!(args.remove("a"));
    assert_eq!(args.len(), 200_000);
    assert!(args.iter().all(|pair| pair == (b"bb", Some(b"1"))));
}

#[test]
fn arg_01_sorting_by_pairs_or_keys_keeps_the_order_of_equals() {
    let sorted = |raw: &str, sort: fn(&mut Args)| {
        let mut args = Args::parse(raw);
        sort(&mut args);
        args.to_string()
    };
    let raw = "b=2&a=9&b=10&c&a=&B=0&a=1";
    assert_eq!(sorted(raw, Args::sort), "B=0&a=&a=1&a=9&b=10&b=2&c");
    assert_eq!(sorted(raw, Args::sort_keys), "B=0&a=9&a=&a=1&b=2&b=10&c");
    let backwards = sorted(raw, |args| args.sort_by(|one, other| other.cmp(one)));
    assert_eq!(backwards, "c&b=2&b=10&a=9&a=1&a=&B=0");
    let by_length =
        sorted("aaa=1&b=22&c=1&dd=0", |args| args.sort_by(|one, other| one.len().cmp(&other.len())));
    assert_eq!(by_length, "c=1&b=22&dd=0&aaa=1");
    let mut args = Args::parse(raw);
    args.sort();
    args.set("a", "changed after sorting");
    args.remove("b");
    assert_eq!(args.to_string(), "B=0&a=changed+after+sorting&a=1&a=9&c");
}

/// A panic of the caller's comparison is caught where handlers run, and the list may be used afterwards.
#[test]
fn arg_01_a_comparison_that_panics_changes_nothing() {
    let raw = "dddd=4444&c=3&bb=22&a=1&e=5";
    for comparisons in 0..6 {
        let mut args = Args::parse(raw);
        let mut left = comparisons;
        let sorting = AssertUnwindSafe(|| {
            args.sort_by(|one, other| {
                assert!(left > 0, "the comparison that panics");
                left -= 1;
                one.cmp(other)
            });
        });
        assert!(catch_unwind(sorting).is_err());
        assert_eq!(args.to_string(), raw);
        args.set("c", "");
        assert!(args.remove("bb"));
        assert_eq!(args.to_string(), "dddd=4444&c=&a=1&e=5");
    }
}

#[test]
fn arg_01_numbers_are_whole_and_decimal_or_refused() {
    let uint = |value: &str| Args::from_iter([("n", value)]).get_uint("n");
    for (value, expected) in [
        ("0", Ok(0)),
        ("007", Ok(7)),
        ("18446744073709551615", Ok(u64::MAX)),
        ("000000000000000000000000000001", Ok(1)),
        ("18446744073709551616", Err(ArgError::TooLarge)),
        ("99999999999999999999999", Err(ArgError::TooLarge)),
        ("99999999999999999999999x", Err(ArgError::NotANumber)),
        ("", Err(ArgError::Missing)),
        ("-1", Err(ArgError::NotANumber)),
        ("+1", Err(ArgError::NotANumber)),
        (" 1", Err(ArgError::NotANumber)),
        ("1 ", Err(ArgError::NotANumber)),
        ("1.0", Err(ArgError::NotANumber)),
        ("0x1", Err(ArgError::NotANumber)),
        ("1_000", Err(ArgError::NotANumber)),
        ("٣", Err(ArgError::NotANumber)),
    ] {
        assert_eq!(uint(value), expected, "{value:?}");
    }
    let float = |value: &str| Args::from_iter([("n", value)]).get_float("n");
    for (value, expected) in [
        ("0", Ok(0.0)),
        ("12.5", Ok(12.5)),
        (".5", Ok(0.5)),
        ("3.", Ok(3.0)),
        ("2e-3", Ok(0.002)),
        ("1E3", Ok(1000.0)),
        ("1e-999", Ok(0.0)),
        ("1e999", Err(ArgError::TooLarge)),
        ("", Err(ArgError::Missing)),
        (".", Err(ArgError::NotANumber)),
        ("-1", Err(ArgError::NotANumber)),
        ("+1", Err(ArgError::NotANumber)),
        ("inf", Err(ArgError::NotANumber)),
        ("NaN", Err(ArgError::NotANumber)),
        ("1e", Err(ArgError::NotANumber)),
        ("1.2.3", Err(ArgError::NotANumber)),
        ("1,5", Err(ArgError::NotANumber)),
    ] {
        assert_eq!(float(value), expected, "{value:?}");
    }
    let mut args = Args::parse("first=1&first=x&none&bytes=%FF");
    assert_eq!((args.get_uint("first"), args.get_uint("none")), (Ok(1), Err(ArgError::Missing)));
    assert_eq!(
        (args.get_uint("gone"), args.get_float("gone")),
        (Err(ArgError::Missing), Err(ArgError::Missing))
    );
    assert_eq!(
        (args.get_uint("bytes"), args.get_float("bytes")),
        (Err(ArgError::NotANumber), Err(ArgError::NotANumber))
    );
    args.set_uint("first", u64::MAX);
    args.set_uint("zero", 0);
    assert_eq!((args.get_uint("first"), args.get("zero")), (Ok(u64::MAX), Some(&b"0"[..])));
    assert!(ArgError::Missing.to_string().contains("no value"));
}

#[test]
fn arg_01_yes_and_no() {
    for yes in ["1", "t", "T", "true", "TRUE", "True", "y", "Y", "yes", "YES", "Yes"] {
        assert!(Args::from_iter([("b", yes)]).get_bool("b"), "{yes}");
    }
    for no in ["", "0", "2", "11", "n", "no", "f", "false", "tRUE", "yEs", "on", " 1", "true "] {
        assert!(!Args::from_iter([("b", no)]).get_bool("b"), "{no}");
    }
    assert!(!Args::parse("b").get_bool("b") && !Args::new().get_bool("b"));
}

/// What is done to a list.
#[derive(Clone, Debug)]
enum Edit {
    Append(Vec<u8>, Vec<u8>),
    AppendNoValue(Vec<u8>),
    Set(Vec<u8>, Vec<u8>),
    SetNoValue(Vec<u8>),
    Remove(Vec<u8>),
    Sort,
    SortKeys,
    PrintAndParse,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let key = || "[ab]{0,2}".prop_map(String::into_bytes);
    let value = || prop::collection::vec(any::<u8>(), 0..6);
    let edit = prop_oneof![
        3 => (key(), value()).prop_map(|(key, value)| Edit::Append(key, value)),
        1 => key().prop_map(Edit::AppendNoValue),
        3 => (key(), value()).prop_map(|(key, value)| Edit::Set(key, value)),
        1 => key().prop_map(Edit::SetNoValue),
        1 => key().prop_map(Edit::Remove),
        1 => Just(Edit::Sort),
        1 => Just(Edit::SortKeys),
        1 => Just(Edit::PrintAndParse),
    ];
    prop::collection::vec(edit, 0..40)
}

proptest! {
    #[test]
    fn arg_01_behaves_like_a_list_of_pairs(edits in edits()) {
        let mut args = Args::new();
        let mut model: Vec<Owned> = Vec::new();
        let put = |model: &mut Vec<Owned>, key: Vec<u8>, value| {
            match model.iter_mut().find(|pair| pair.0 == key) {
                Some(pair) => pair.1 = value,
                None => model.push((key, value)),
            }
        };
        for edit in edits {
            match edit {
                Edit::Append(key, value) => {
                    args.append(&key, &value);
                    model.push((key, Some(value)));
                }
                Edit::AppendNoValue(key) => {
                    args.append_no_value(&key);
                    model.push((key, None));
                }
                Edit::Set(key, value) => {
                    args.set(&key, &value);
                    put(&mut model, key, Some(value));
                }
                Edit::SetNoValue(key) => {
                    args.set_no_value(&key);
                    put(&mut model, key, None);
                }
                Edit::Remove(key) => {
                    let had = model.iter().any(|pair| pair.0 == key);
                    model.retain(|pair| pair.0 != key);
                    prop_assert_eq!(args.remove(&key), had);
                }
                // No value and an empty one are equal in this order.
                Edit::Sort => {
                    args.sort();
                    model.sort_by_key(|(key, value)| (key.clone(), value.clone().unwrap_or_default()));
                }
                Edit::SortKeys => {
                    args.sort_keys();
                    model.sort_by_key(|pair| pair.0.clone());
                }
                Edit::PrintAndParse => {
                    args.assign(args.to_bytes());
                    let is_full = |text: &Vec<u8>| !text.is_empty();
                    model.retain(|(key, value)| is_full(key) || value.as_ref().is_some_and(is_full));
                }
            }
            prop_assert_eq!(owned(&args), model.clone());
        }
    }

    #[test]
    fn arg_01_reads_what_the_url_standard_reads(raw in "[ab=&+%2F0é\u{1}]{0,24}") {
        let ours: Vec<(String, String)> = Args::parse(&raw)
            .iter()
            .map(|(key, value)| {
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                (text(key), text(value.unwrap_or_default()))
            })
            .collect();
        let mut theirs: Vec<(String, String)> = form_urlencoded::parse(raw.as_bytes()).into_owned().collect();
        theirs.retain(|(key, value)| !key.is_empty() || !value.is_empty());
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn arg_01_any_bytes_have_a_reading_at_every_cut(raw in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut args = Args::new();
        for end in 0..=raw.len() {
            args.assign(&raw[..end]);
            prop_assert_eq!(&args, &Args::parse(args.to_bytes()));
            let lengths = args.iter().map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len));
            prop_assert!(lengths.sum::<usize>() <= end);
        }
    }
}
