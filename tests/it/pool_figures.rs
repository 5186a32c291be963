//! Figures in words, and on a page for Prometheus.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anthill_pool::prometheus::{Exposition, Figures};
use anthill_pool::{ManualClock, ObjectPool, PoolState, WorkerPool};
use anthill_tests::pool::{Held, blocked, holding, occupy, release, tasks};
use anthill_tests::server::skip;
use anthill_tests::{PATIENCE, quiet_panics};

#[test]
fn figures_of_a_pool_are_one_line_that_names_what_happened() {
    quiet_panics();
    let pool = holding(WorkerPool::builder().max_workers(2).queue_capacity(1));
    assert_eq!(
        pool.stats().to_string(),
        "open: 0 busy and 0 idle of 2 workers, 0 queued; 0 accepted, 0 finished"
    );
    let busy = occupy(&pool, 2);
    pool.submit(Held::free(3)).unwrap();
    pool.submit_after(Duration::from_secs(3_600), Held::free(4)).unwrap();
    pool.try_submit(Held::free(5)).unwrap_err();
    let waiting = blocked(&pool, Held::free(6), 1);
    assert_eq!(
        pool.stats().to_string(),
        "open: 2 busy and 0 idle of 2 workers, 1 queued, 1 blocked, 1 scheduled; 3 accepted, 0 finished, 1 rejected"
    );
    release(&busy);
    waiting.outcome("the submission").unwrap();
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!(
        pool.stats().to_string(),
        "stopped: 0 busy and 0 idle of 2 workers, 0 queued; 5 accepted, 4 finished, 1 discarded, 1 rejected"
    );
    assert_eq!(format!("{:>10}|", PoolState::Draining), "  draining|");
    let unlimited = WorkerPool::builder().max_workers(None).build(|_: u8| {}).unwrap();
    assert!(unlimited.stats().to_string().contains("of unlimited workers"));
}

#[test]
fn figures_of_times_are_a_table_whose_columns_stand_below_each_other() {
    let clock = ManualClock::new();
    let own = clock.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .measure_times(true)
        .clock(&clock)
        .build(move |time: Duration| own.advance(time))
        .unwrap();
    for time in [Duration::from_nanos(900), Duration::from_millis(3), Duration::from_secs(7_000)] {
        pool.submit(time).unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
    }
    let times = pool.times().unwrap();
    let table = times.to_string();
    let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
    assert_eq!(widths, [64; 3], "{table}");
    let run: Vec<&str> = table.lines().nth(2).unwrap().split_whitespace().collect();
    assert_eq!(run, ["run", "3", "2333.3s", "4.1ms", "7000.0s", "7000.0s", "7000.0s"], "{table}");
    assert_eq!(times.run.to_string(), "3 in all, mean 2333.3s, p50 4.1ms, p99 7000.0s, max 7000.0s");
    assert_eq!(times.run.sum(), Duration::from_nanos(7_000_003_000_900));
}

#[test]
fn figures_of_an_object_pool_are_one_line() {
    let pool = ObjectPool::builder().max_idle(1).shards(1).build(|| 0_u8);
    assert_eq!(pool.stats().hit_rate(), 0.0);
    let (one, two) = (pool.get(), pool.get());
    drop((one, two));
    drop(pool.get());
    assert_eq!(pool.stats().to_string(), "1 resident; 1 hits and 2 misses, 33.3 % hits; dropped by bound 1");
}

/// A page with everything on it, of pools that have done something.
fn page() -> String {
    let mut page = Exposition::new();
    let clock = ManualClock::new();
    for (name, payloads) in [("mail", 5_u64), ("a \"b\"\\c\nd", 2)] {
        let own = clock.clone();
        let pool = WorkerPool::builder()
            .max_workers(3)
            .measure_times(true)
            .clock(&clock)
            .build(move |n: u64| own.advance(Duration::from_millis(n)))
            .unwrap();
        for n in 0..payloads {
            pool.submit(n).unwrap();
            pool.wait_idle_timeout(PATIENCE).unwrap();
        }
        let labels = [("pool", name), ("le", "taken"), ("2nd-label", "odd"), ("2nd.label", "again")];
        page.add(&pool.stats(), &labels);
        page.add(&pool.times().unwrap(), &labels);
    }
    let unlimited = WorkerPool::builder().max_workers(None).build(|_: u8| {}).unwrap();
    page.add(&unlimited.stats(), &[("pool", "unlimited")]);
    let objects = ObjectPool::builder().max_idle(1).shards(1).build(|| 0_u8);
    drop((objects.get(), objects.get()));
    page.add(&objects.stats(), &[("pool", "objects"), ("reason", "taken")]);
    page.add(&tasks(2, 0).sub_pool(1).stats(), &[]);
    page.to_string()
}

/// The samples of a page by name and labels, in their order by family; panics where the format is not kept.
fn read(page: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    let mut families: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    let mut lines = page.lines().peekable();
    while let Some(help) = lines.next() {
        let (name, text) = help.strip_prefix("# HELP ").expect("HELP first").split_once(' ').unwrap();
        assert!(!text.is_empty());
        let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).expect("then TYPE");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        let mut samples = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let own = series.split('{').next().unwrap();
            match kind {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&&own[name.len()..]), "{line}"),
                _ => assert_eq!(own, name),
            }
            assert!(samples.iter().all(|(other, _)| other != series), "{series} is there twice");
            samples.push((series.to_owned(), value.parse().unwrap()));
        }
        assert!(families.insert(name.to_owned(), samples).is_none(), "{name} is there twice");
    }
    families
}

#[test]
fn figures_on_a_page_are_in_the_format_and_true() {
    let page = page();
    let families = read(&page);
    let labels = r#"{pool="mail",exported_le="taken",_2nd_label="odd"}"#;
    let value = |family: &str, series: &str| {
        let samples = &families[family];
        samples.iter().find(|(name, _)| name == series).unwrap_or_else(|| panic!("{series}: {samples:?}")).1
    };
    for (name, expected) in [
        ("anthill_pool_open", 1.0),
        ("anthill_pool_max_workers", 3.0),
        ("anthill_pool_accepted_total", 5.0),
        ("anthill_pool_finished_total", 5.0),
        ("anthill_pool_panicked_total", 0.0),
    ] {
        assert_eq!(value(name, &format!("{name}{labels}")), expected);
    }
    assert_eq!(families["anthill_pool_open"].len(), 3);
    assert_eq!(families["anthill_pool_max_workers"].len(), 2, "one pool has no cap");
    assert!(page.contains(r#"pool="a \"b\"\\c\nd","#));
    let run = "anthill_pool_run_seconds";
    assert_eq!(value(run, &format!("{run}_count{labels}")), 5.0);
    assert_eq!(value(run, &format!("{run}_sum{labels}")), 0.010);
    let buckets: Vec<f64> = families[run]
        .iter()
        .filter(|(series, _)| series.starts_with(&format!("{run}_bucket{{pool=\"mail\"")))
        .map(|(_, count)| *count)
        .collect();
    assert!(buckets.is_sorted() && buckets.len() == 15, "{buckets:?}");
    assert_eq!((buckets[0], buckets[4], buckets[5], buckets[6], buckets[14]), (1.0, 1.0, 2.0, 5.0, 5.0));
    let end = |place: usize| families[run][place].0.rsplit_once("le=").unwrap().1;
    let ends = [0, 1, 10, 13, 14].map(end);
    assert_eq!(ends, [r#""0.000001"}"#, r#""0.000004"}"#, r#""1.048576"}"#, r#""67.108864"}"#, r#""+Inf"}"#]);
    let dropped = "anthill_object_pool_dropped_total";
    let by_bound = format!(r#"{dropped}{{pool="objects",exported_reason="taken",reason="bound"}}"#);
    assert_eq!(value(dropped, &by_bound), 1.0);
    assert_eq!(value("anthill_sub_pool_max_running", "anthill_sub_pool_max_running"), 1.0);
    let alone = tasks(1, 0).stats().to_prometheus(&[("pool", "one")]);
    assert_eq!(
        read(&alone)["anthill_pool_workers"],
        [(r#"anthill_pool_workers{pool="one"}"#.to_owned(), 0.0)]
    );
}

/// Skipped, with a word, where there is no `promtool` (Debian's package `prometheus` has it).
#[test]
fn figures_on_a_page_are_accepted_by_promtool() {
    let check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut check) = check else {
        skip("there is no promtool here");
        return;
    };
    check.stdin.take().unwrap().write_all(page().as_bytes()).unwrap();
    let verdict = check.wait_with_output().unwrap();
    let said = [verdict.stdout, verdict.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(verdict.status.success() && said.iter().all(String::is_empty), "{said:?}");
}

#[test]
fn figures_count_items_that_panic_and_those_beside_them() {
    // Without help, so that the caller alone runs items, in their order.
    let pool = tasks(2, 8);
    pool.stop();
    let items: Vec<u64> = (0..1_000).collect();
    let begun = AtomicU64::new(0);
    let planned = |item: &u64| {
        begun.fetch_add(1, Ordering::Relaxed);
        if *item == 300 { resume_unwind(Box::new("planned")) } else { *item }
    };
    let caught = catch_unwind(AssertUnwindSafe(|| pool.par_map(&items, planned)));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"planned"));
    assert_eq!(begun.load(Ordering::Relaxed), 301);
    assert_eq!(pool.stats().items, 301);
    for unordered in [false, true] {
        let before = pool.stats().items;
        let function = |item: u64| if item == 3 { resume_unwind(Box::new("planned")) } else { item };
        let caught = catch_unwind(AssertUnwindSafe(|| match unordered {
            false => pool.map(0..10, function).in_flight(1).count(),
            true => pool.map_unordered(0..10, function).in_flight(1).count(),
        }));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"planned"));
        assert_eq!(pool.stats().items, before + 4);
    }
}

#[test]
fn figures_count_the_items_of_maps_whoever_runs_them() {
    let pool = tasks(2, 8);
    let items: Vec<u64> = (0..1_000).collect();
    assert_eq!(pool.par_map(&items, |item| item + 1).len(), 1_000);
    assert_eq!(pool.stats().items, 1_000);
    assert_eq!(pool.map(0..100, |item| item).count(), 100);
    assert_eq!(pool.map_unordered(0..100, |item| item).count(), 100);
    let sum = AtomicU64::new(0);
    pool.for_each(&items, |item| {
        sum.fetch_add(*item, Ordering::Relaxed);
    });
    assert_eq!((sum.into_inner(), pool.stats().items), (499_500, 2_200));
    // One that stops early counts what has run.
    assert_eq!(pool.try_map(0..100, |item| if item < 5 { Ok(item) } else { Err(item) }).count(), 6);
    pool.stop();
    pool.wait().unwrap();
    let before = pool.stats().items;
    assert!((2_206..=2_300).contains(&before), "{before}");
    // Without any worker they are run by who asks, and count too.
    assert_eq!(pool.par_map(&items, |item| item + 1).len(), 1_000);
    let stats = pool.stats();
    assert_eq!(stats.items, before + 1_000);
    assert!(stats.to_string().ends_with(&format!("{} items of maps", stats.items)), "{stats}");
    let page = stats.to_prometheus(&[]);
    assert!(page.contains(&format!("anthill_pool_items_total {}\n", stats.items)), "{page}");
}
