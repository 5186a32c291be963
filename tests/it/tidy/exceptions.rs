//! Lists of what a rule still lets through: they shrink with the source and cannot outlive their reason.

/// Checks that what breaks a rule (`(what it is called in the list, where it is)`) is exactly what the list allows.
pub(super) fn check(rule: &str, found: &[(String, String)], allowed: &[&str]) {
    let refused: Vec<String> = found
        .iter()
        .filter(|(name, _)| !allowed.contains(&name.as_str()))
        .map(|(name, place)| format!("{name}   ({place})"))
        .collect();
    assert!(refused.is_empty(), "{rule}:\n{}", refused.join("\n"));
    let mended: Vec<_> =
        allowed.iter().filter(|allowed| !found.iter().any(|(name, _)| name == *allowed)).collect();
    assert!(mended.is_empty(), "{rule}: no longer needed, strike it off the list: {mended:?}");
}

#[test]
fn more_than_the_list_is_refused() {
    check("rule", &[("a".into(), "here".into())], &["a"]);
    check("rule", &[], &[]);
}

#[test]
#[should_panic(expected = "rule:\nb   (there)")]
fn what_is_not_on_the_list_is_refused() {
    check("rule", &[("a".into(), "here".into()), ("b".into(), "there".into())], &["a"]);
}

#[test]
#[should_panic(expected = "no longer needed")]
fn what_is_on_the_list_without_need_is_refused() {
    check("rule", &[("a".into(), "here".into())], &["a", "b"]);
}
