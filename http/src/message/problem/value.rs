//! The value of a member that problem details have beyond those of the RFC.

use crate::util::json;
use std::borrow::Cow;

/// The value of a member of one's own in problem details; see [`Problem::extension`](crate::Problem::extension).
///
/// It is made of texts, numbers, truth values, lists of these, and, with the feature `json`, of any
/// `serde_json::Value`.
///
/// ```
/// use anthill_http::ProblemValue;
/// assert_eq!(ProblemValue::from("a \"b\"").as_json(), r#""a \"b\"""#);
/// assert_eq!(ProblemValue::from(vec![1.5, f64::NAN]).as_json(), "[1.5,null]", "JSON has no such number");
/// assert_eq!(ProblemValue::from(None::<bool>).as_json(), "null");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemValue(String);

impl ProblemValue {
    /// The value as JSON.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ProblemValue {
    fn from(text: &str) -> Self {
        let mut json = String::with_capacity(text.len() + 2);
        // Writing into a String cannot fail.
        let _ = json::append_string_of(&mut json, text);
        Self(json)
    }
}

impl From<String> for ProblemValue {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<Cow<'_, str>> for ProblemValue {
    fn from(text: Cow<'_, str>) -> Self {
        (&*text).into()
    }
}

macro_rules! printed {
    ($($type:ty)*) => {
        $(impl From<$type> for ProblemValue {
            fn from(value: $type) -> Self {
                Self(value.to_string())
            }
        })*
    };
}

printed!(bool u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

/// What is no finite number becomes `null`.
impl From<f64> for ProblemValue {
    fn from(number: f64) -> Self {
        // With a point or an exponent, as `Debug` has it: so it is read as a number of that kind again.
        Self(if number.is_finite() { format!("{number:?}") } else { "null".to_owned() })
    }
}

/// Nothing becomes `null`.
impl<T: Into<ProblemValue>> From<Option<T>> for ProblemValue {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(|| Self("null".to_owned()), Into::into)
    }
}

/// A list.
impl<T: Into<ProblemValue>> From<Vec<T>> for ProblemValue {
    fn from(values: Vec<T>) -> Self {
        let values: Vec<String> = values.into_iter().map(|value| value.into().0).collect();
        Self(format!("[{}]", values.join(",")))
    }
}

#[cfg(feature = "json")]
impl From<serde_json::Value> for ProblemValue {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_json() {
        for (value, json) in [
            (ProblemValue::from(1e300), "1e300"),
            (ProblemValue::from(0.1), "0.1"),
            (ProblemValue::from(-0.0), "-0.0"),
            (ProblemValue::from(f64::INFINITY), "null"),
            (ProblemValue::from(u64::MAX), "18446744073709551615"),
            (ProblemValue::from(i64::MIN), "-9223372036854775808"),
            (ProblemValue::from(true), "true"),
            (ProblemValue::from(Vec::<u8>::new()), "[]"),
            (ProblemValue::from(vec![vec![Some(1)], vec![None, Some(2)]]), "[[1],[null,2]]"),
        ] {
            assert_eq!(value.as_json(), json);
        }
    }
}
