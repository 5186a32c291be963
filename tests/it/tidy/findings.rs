//! How a rule says what breaks it. There are no exceptions to any.

/// Checks that nothing was found that breaks a rule: `(what it is, where it is)`.
pub(super) fn none(rule: &str, found: &[(String, String)]) {
    let found: Vec<String> = found.iter().map(|(name, place)| format!("{name}   ({place})")).collect();
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
#[should_panic(expected = "rule:\nb   (there)")]
fn what_is_found_is_told() {
    none("nothing is found", &[]);
    none("rule", &[("b".into(), "there".into())]);
}
