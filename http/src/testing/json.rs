//! How two values of JSON differ.

use serde_json::Value;
use std::fmt::Write;

/// So many differences are told.
const TOLD_MAX: usize = 20;

/// So much of a value is told.
const VALUE_CHARS_MAX: usize = 200;

/// What is different, a line for each thing; `None`: nothing.
pub(super) fn differences(expected: &Value, found: &Value) -> Option<String> {
    let mut told = Vec::new();
    compare("$", Some(expected), Some(found), &mut told);
    if told.is_empty() {
        return None;
    }
    let more = told.len().saturating_sub(TOLD_MAX);
    told.truncate(TOLD_MAX);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    Some(told.join("\n"))
}

fn compare(place: &str, expected: Option<&Value>, found: Option<&Value>, told: &mut Vec<String>) {
    match (expected, found) {
        (Some(Value::Object(expected)), Some(Value::Object(found))) => {
            for (key, value) in expected {
                compare(&below(place, key), Some(value), found.get(key), told);
            }
            for (key, value) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                compare(&below(place, key), None, Some(value), told);
            }
        }
        (Some(Value::Array(expected)), Some(Value::Array(found))) => {
            for index in 0..expected.len().max(found.len()) {
                compare(&format!("{place}[{index}]"), expected.get(index), found.get(index), told);
            }
        }
        (Some(expected), Some(found)) if expected == found => {}
        (expected, found) => {
            told.push(format!("at {place}: expected {}, found {}", told_as(expected), told_as(found)));
        }
    }
}

fn below(place: &str, key: &str) -> String {
    let is_plain = !key.is_empty() && key.chars().all(|char| char.is_alphanumeric() || char == '_');
    if is_plain { format!("{place}.{key}") } else { format!("{place}[{key:?}]") }
}

fn told_as(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    let mut short: String = text.chars().take(VALUE_CHARS_MAX).collect();
    if short.len() < text.len() {
        let _ = write!(short, "... ({} bytes)", text.len());
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_difference_has_its_place() {
        let expected = json!({"a": 1, "list": [1, {"b": true}], "only here": null, "same": "x"});
        let found = json!({"a": "1", "list": [1, {"b": false}, 3], "same": "x", "new": {}});
        let told = differences(&expected, &found).expect("they differ");
        for line in [
            "at $.a: expected 1, found \"1\"",
            "at $.list[1].b: expected true, found false",
            "at $.list[2]: expected nothing, found 3",
            "at $[\"only here\"]: expected null, found nothing",
            "at $.new: expected nothing, found {}",
        ] {
            assert!(told.lines().any(|told| told == line), "{line} in {told}");
        }
        assert_eq!(told.lines().count(), 5);
        assert_eq!(differences(&expected, &expected), None);
    }

    #[test]
    fn what_is_told_is_bounded() {
        let (expected, found) = (json!(vec![0; 1000]), json!(vec!["x".repeat(1000); 1000]));
        let told = differences(&expected, &found).expect("they differ");
        assert_eq!(told.lines().count(), TOLD_MAX + 1);
        assert!(told.ends_with("and 980 more") && told.len() < 10_000);
    }
}
