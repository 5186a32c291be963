//! The process-wide pool.

use std::sync::mpsc;

#[test]
fn pool_094_the_default_pool_is_built_once_without_set_up() {
    let (answers, inbox) = mpsc::channel();
    for n in 0..10u64 {
        let answers = answers.clone();
        anthill_pool::execute(move || {
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            answers.send((n, thread)).unwrap();
        })
        .unwrap();
    }
    drop(answers);
    let mut seen: Vec<(u64, String)> = inbox.iter().collect();
    seen.sort();
    assert_eq!(seen.iter().map(|(n, _)| *n).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert!(seen.iter().all(|(_, thread)| thread.starts_with("tasks-")), "{seen:?}");
    assert!(std::ptr::eq(anthill_pool::default_pool(), anthill_pool::default_pool()));
}
