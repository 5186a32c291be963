//! Arguments: read like a plain list of pairs, changed like one, and printed so that they read the same.

use std::borrow::Cow;

use anthill_http::Args;
use anthill_http::uri::QueryArgs;

use super::plan::{Plan, fields};
use super::reference::unescaped;

/// A key with a value, or without one.
type Pair = (Vec<u8>, Option<Vec<u8>>);

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let [raw, key, value, other] = fields::<4>(input);
    let mut model = pairs(raw);
    let mut args = Args::parse(other);
    args.assign(raw);
    assert_model(&args, &model);
    let iterated: Vec<Pair> = QueryArgs::new(raw)
        .map(|(key, value)| (key.into_owned(), value.map(Cow::into_owned)))
        .filter(|(key, value)| !key.is_empty() || value.as_ref().is_none_or(|value| !value.is_empty()))
        .filter(|pair| *pair != (Vec::new(), None))
        .collect();
    assert_eq!(iterated, model, "two readings of one query");
    for _ in 0..8 {
        match plan.below(9) {
            0 => {}
            1 => {
                args.append(key, value);
                model.push((key.to_vec(), Some(value.to_vec())));
            }
            2 => {
                args.append_no_value(value);
                model.push((value.to_vec(), None));
            }
            3 => {
                args.set(key, value);
                put(&mut model, key, Some(value));
            }
            4 => {
                args.set_no_value(key);
                put(&mut model, key, None);
            }
            5 => {
                let was_there = model.iter().any(|(found, _)| found == key);
                assert_eq!(args.remove(key), was_there);
                model.retain(|(found, _)| found != key);
            }
            6 => {
                args.sort();
                model.sort_by(|one, other| {
                    let value = |pair: &Pair| pair.1.clone().unwrap_or_default();
                    one.0.cmp(&other.0).then_with(|| value(one).cmp(&value(other)))
                });
            }
            7 => {
                args.sort_keys();
                model.sort_by(|one, other| one.0.cmp(&other.0));
            }
            _ => {
                let mut copy = Args::parse(other);
                copy.clone_from(&args);
                args = copy;
            }
        }
        assert_model(&args, &model);
    }
    for key in [key, value, raw] {
        let first = model.iter().find(|(found, _)| found == key);
        let expected = first.map(|(_, value)| value.as_deref().unwrap_or_default());
        assert_eq!(args.get(key), expected);
        let digits = expected.filter(|value| !value.is_empty() && value.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
        assert_eq!(args.get_uint(key).ok(), number);
        assert!(args.get_float(key).is_ok_and(|float| float >= 0.0) || args.get_float(key).is_err());
    }
}

fn put(model: &mut Vec<Pair>, key: &[u8], value: Option<&[u8]>) {
    let value = value.map(<[u8]>::to_vec);
    match model.iter_mut().find(|(found, _)| found == key) {
        Some(pair) => pair.1 = value,
        None => model.push((key.to_vec(), value)),
    }
}

fn assert_model(args: &Args, model: &[Pair]) {
    let found: Vec<Pair> =
        args.iter().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect();
    assert_eq!(found, model);
    assert_eq!(args.len(), model.len());
    let printed = args.to_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+%&=".contains(byte);
    assert!(printed.iter().all(is_plain), "{}", printed.escape_ascii());
    // Pairs without a byte have no printed form.
    let visible: Vec<Pair> = model
        .iter()
        .filter(|(key, value)| !key.is_empty() || value.as_ref().is_some_and(|value| !value.is_empty()))
        .cloned()
        .collect();
    assert_eq!(pairs(&printed), visible, "{}", printed.escape_ascii());
}

/// The pairs of a query, one after the other.
fn pairs(raw: &[u8]) -> Vec<Pair> {
    let pair = |pair: &[u8]| match pair.iter().position(|byte| *byte == b'=') {
        None => (decoded(pair), None),
        Some(equals) => (decoded(&pair[..equals]), Some(decoded(&pair[equals + 1..]))),
    };
    raw.split(|byte| *byte == b'&').filter(|text| !matches!(*text, b"" | b"=")).map(pair).collect()
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    unescaped(&spaced)
}
