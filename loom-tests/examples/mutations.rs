//! Proves that the models can fail: applies recorded mistakes to the source, one at a time, and runs the model that
//! must notice.
//!
//! Everything happens in a copy in the temporary folder; the checkout is only read. A mutation counts as caught only
//! when its model fails *with the words that were recorded*, so neither a mutant that does not build nor a model that
//! fails for another reason passes for a catch. The format of the tables is described in `README.md`.
//!
//! `cargo run -p loom-tests --example mutations [table, or part of a model's name]...`

use std::error::Error;
use std::fmt;
use std::fs;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What is copied beside `Cargo.toml`; a folder that does not exist is left out.
const SOURCES: [&str; 4] = ["Cargo.lock", "pool", "http", "loom-tests"];
/// For the unmutated models of one table together.
const BASELINE_LIMIT: Duration = Duration::from_secs(600);
/// For one model under one mutation.
const MODEL_LIMIT: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    match check_all(&wanted) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            say(format_args!("{failures} not caught"));
            ExitCode::FAILURE
        }
        Err(error) => {
            say(format_args!("cannot check: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// How many of the wanted mutations were not caught.
fn check_all(wanted: &[String]) -> Result<usize, Box<dyn Error>> {
    let checkout = checkout();
    let mutations = wanted_of(read_tables(&checkout)?, wanted);
    if mutations.is_empty() {
        return Err("no mutation has such a name".into());
    }
    let copy = Copy::of(&checkout)?;
    let mut tables: Vec<&str> = mutations.iter().map(|mutation| mutation.table.as_str()).collect();
    tables.dedup();
    for table in tables {
        match copy.run(table, None)? {
            Run::Passed => say(format_args!("{table}: the models pass unmutated")),
            Run::Failed(output) => {
                return Err(
                    format!("the models of {table} fail without any mutation:\n{}", tail(&output)).into()
                );
            }
            Run::DoesNotBuild(output) => return Err(format!("{table} does not build:\n{output}").into()),
            Run::TimedOut => return Err(format!("the models of {table} take too long").into()),
        }
    }
    let mut failures = 0;
    for mutation in &mutations {
        let verdict = check(&copy, mutation)?;
        say(format_args!("{verdict}: {} ({})", mutation.model, mutation.breaks));
        failures += usize::from(!matches!(verdict, Verdict::Caught));
    }
    say(format_args!("{} of {} caught", mutations.len() - failures, mutations.len()));
    Ok(failures)
}

/// A word that is a table's name means that table, any other the models whose names it is a part of.
fn wanted_of(mut mutations: Vec<Mutation>, wanted: &[String]) -> Vec<Mutation> {
    let is_table = |name: &String| mutations.iter().any(|mutation| mutation.table == *name);
    let (tables, models): (Vec<&String>, Vec<&String>) = wanted.iter().partition(|name| is_table(name));
    mutations.retain(|mutation| {
        wanted.is_empty()
            || tables.iter().any(|table| mutation.table == **table)
            || models.iter().any(|model| mutation.model.contains(model.as_str()))
    });
    mutations
}

enum Verdict {
    Caught,
    Survived,
    DoesNotApply(String),
    DoesNotBuild(String),
    FailedOtherwise(String),
    TimedOut,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Caught => f.write_str("caught"),
            Verdict::Survived => f.write_str("SURVIVED"),
            Verdict::DoesNotApply(why) => write!(f, "does not apply, {why}"),
            Verdict::DoesNotBuild(output) => write!(f, "does not build:\n{output}\n"),
            Verdict::FailedOtherwise(output) => write!(f, "fails for another reason:\n{output}\n"),
            Verdict::TimedOut => f.write_str("timed out"),
        }
    }
}

fn check(copy: &Copy, mutation: &Mutation) -> Result<Verdict, Box<dyn Error>> {
    let mutants = match mutation.apply(&copy.root) {
        Ok(mutants) => mutants,
        Err(why) => return Ok(Verdict::DoesNotApply(why)),
    };
    let mut originals = Vec::new();
    for (file, mutant) in mutants {
        let path = copy.root.join(&file);
        originals.push((path.clone(), fs::read_to_string(&path)?));
        fs::write(path, mutant)?;
    }
    let run = copy.run(&mutation.table, Some(&mutation.model));
    for (path, original) in originals {
        fs::write(path, original)?;
    }
    Ok(match run? {
        Run::Passed => Verdict::Survived,
        Run::Failed(output) if output.contains(&mutation.expect) => Verdict::Caught,
        Run::Failed(output) => Verdict::FailedOtherwise(tail(&output)),
        Run::DoesNotBuild(output) => Verdict::DoesNotBuild(output),
        Run::TimedOut => Verdict::TimedOut,
    })
}

/// A recorded mistake.
#[derive(Debug, Default)]
struct Mutation {
    /// The table's file name without its ending, which is also the name of the test target.
    table: String,
    /// The model's full name in that target.
    model: String,
    /// The mistake, in words.
    breaks: String,
    /// What the failing model must say.
    expect: String,
    edits: Vec<Edit>,
}

/// Lines of one file that give way to others.
#[derive(Debug)]
struct Edit {
    file: String,
    old: Vec<String>,
    new: Vec<String>,
}

impl Mutation {
    /// The changed files, or why the edits do not fit.
    fn apply(&self, root: &Path) -> Result<Vec<(String, String)>, String> {
        let mut files: Vec<(String, String)> = Vec::new();
        for edit in &self.edits {
            if !files.iter().any(|(file, _)| *file == edit.file) {
                let text =
                    fs::read_to_string(root.join(&edit.file)).map_err(|e| format!("{}: {e}", edit.file))?;
                files.push((edit.file.clone(), text));
            }
            for (file, text) in &mut files {
                if *file == edit.file {
                    *text = edit.apply(text)?;
                }
            }
        }
        Ok(files)
    }
}

impl Edit {
    /// Replaces the old lines, which must occur exactly once. How far lines are indented does not matter.
    fn apply(&self, text: &str) -> Result<String, String> {
        let lines: Vec<&str> = text.lines().collect();
        let fits = |start: &usize| {
            self.old.iter().zip(&lines[*start..]).all(|(old, line)| old.trim() == line.trim())
        };
        let places: Vec<usize> = (0..(lines.len() + 1).saturating_sub(self.old.len())).filter(fits).collect();
        let [place] = places[..] else {
            return Err(format!("{} has {} places like `{}`", self.file, places.len(), self.old[0].trim()));
        };
        let mut changed: Vec<&str> = lines[..place].to_vec();
        changed.extend(self.new.iter().map(String::as_str));
        changed.extend(&lines[place + self.old.len()..]);
        Ok(changed.join("\n") + "\n")
    }
}

fn read_tables(checkout: &Path) -> Result<Vec<Mutation>, Box<dyn Error>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(checkout.join("loom-tests/mutations"))? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    paths.sort();
    let mut mutations = Vec::new();
    for path in paths {
        let table = path.file_stem().unwrap_or_default().to_string_lossy();
        mutations.extend(parse(&table, &fs::read_to_string(&path)?)?);
    }
    Ok(mutations)
}

fn parse(table: &str, text: &str) -> Result<Vec<Mutation>, String> {
    let mut mutations: Vec<Mutation> = Vec::new();
    let mut file = String::new();
    let mut after_new = true;
    for (number, line) in text.lines().enumerate() {
        let wrong = |what: &str| format!("{table}.txt, line {}: {what}", number + 1);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "model" {
            mutations.push(Mutation {
                table: table.to_owned(),
                model: rest.trim().to_owned(),
                ..Mutation::default()
            });
            file.clear();
            after_new = true;
            continue;
        }
        let mutation = mutations.last_mut().ok_or_else(|| wrong("a mutation begins with `model`"))?;
        match word {
            "breaks" => mutation.breaks = rest.trim().to_owned(),
            "expect" => mutation.expect = rest.trim().to_owned(),
            "file" => {
                file = rest.trim().to_owned();
                after_new = true;
            }
            "-" if file.is_empty() => return Err(wrong("name the file first")),
            "-" => {
                if after_new {
                    mutation.edits.push(Edit { file: file.clone(), old: Vec::new(), new: Vec::new() });
                    after_new = false;
                }
                let edit = mutation.edits.last_mut().ok_or_else(|| wrong("an edit begins with `-`"))?;
                edit.old.push(rest.to_owned());
            }
            "+" => {
                let edit = mutation.edits.last_mut().ok_or_else(|| wrong("an edit begins with `-`"))?;
                edit.new.push(rest.to_owned());
                after_new = true;
            }
            _ => return Err(wrong("expected model, breaks, expect, file, - or +")),
        }
    }
    for mutation in &mutations {
        if mutation.edits.is_empty() || mutation.expect.is_empty() || mutation.breaks.is_empty() {
            return Err(format!("{table}.txt: {} lacks breaks, expect or an edit", mutation.model));
        }
    }
    Ok(mutations)
}

/// The sources in a folder of their own, removed at the end.
struct Copy {
    root: PathBuf,
}

enum Run {
    Passed,
    Failed(String),
    DoesNotBuild(String),
    TimedOut,
}

impl Copy {
    fn of(checkout: &Path) -> io::Result<Self> {
        let root = std::env::temp_dir().join(format!("anthill-mutations-{}", std::process::id()));
        // Fails when it is there already: what lies in it is not ours to remove.
        fs::create_dir(&root)?;
        let copy = Copy { root };
        for source in SOURCES {
            let from = checkout.join(source);
            if from.exists() {
                copy_all(&from, &copy.root.join(source))?;
            }
        }
        let manifest = fs::read_to_string(checkout.join("Cargo.toml"))?;
        fs::write(copy.root.join("Cargo.toml"), with_models_only(&manifest))?;
        Ok(copy)
    }

    /// Builds one table's models and runs all, or the one named.
    fn run(&self, table: &str, model: Option<&str>) -> io::Result<Run> {
        let build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "test",
                "-p",
                "loom-tests",
                "--test",
                table,
                "--no-run",
                "--message-format=json-render-diagnostics",
            ])
            .arg("--target-dir")
            .arg(self.root.join("target"))
            .env("CARGO_TERM_COLOR", "never")
            // Nobody debugs a mutant, and it builds in half the time.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .output()?;
        let Some(program) = test_program(&String::from_utf8_lossy(&build.stdout), table) else {
            return Ok(Run::DoesNotBuild(String::from_utf8_lossy(&build.stderr).into_owned()));
        };
        // Not through cargo: what is killed when the time is up must be the models themselves.
        let said = self.root.join("output.txt");
        let output = File::create(&said)?;
        let mut command = Command::new(program);
        command
            .arg("--nocapture")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let limit = match model {
            Some(model) => {
                command.args(["--exact", model]);
                MODEL_LIMIT
            }
            None => BASELINE_LIMIT,
        };
        let mut models = command.spawn()?;
        let started = Instant::now();
        let status = loop {
            if let Some(status) = models.try_wait()? {
                break status;
            }
            if started.elapsed() > limit {
                models.kill()?;
                models.wait()?;
                return Ok(Run::TimedOut);
            }
            thread::sleep(Duration::from_millis(20));
        };
        let output = String::from_utf8_lossy(&fs::read(&said)?).into_owned();
        if model.is_some() && !output.contains("running 1 test\n") {
            return Ok(Run::Failed(format!("there is no such model; the output was:\n{output}")));
        }
        Ok(if status.success() { Run::Passed } else { Run::Failed(output) })
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.root) {
            say(format_args!("cannot remove {}: {error}", self.root.display()));
        }
    }
}

/// The workspace reduced to the package with the models, and that one not optimised: a mutant is built for a single
/// model, which fails early. The rest stays, above all that loom is optimised.
fn with_models_only(manifest: &str) -> String {
    let mut section = "";
    let mut reduced = String::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        match line.split_once('=').map_or("", |(key, _)| key.trim()) {
            key @ ("members" | "default-members") => reduced += &format!("{key} = [\"loom-tests\"]"),
            "opt-level" if section == "[profile.dev.package.loom-tests]" => reduced += "opt-level = 0",
            _ => reduced += line,
        }
        reduced.push('\n');
    }
    reduced
}

/// Where cargo put the program of a test target, out of its JSON messages.
fn test_program(messages: &str, target: &str) -> Option<PathBuf> {
    let name = format!("\"name\":\"{target}\"");
    let artifact =
        messages.lines().find(|line| line.contains("\"kind\":[\"test\"]") && line.contains(&name))?;
    let (_, rest) = artifact.split_once("\"executable\":\"")?;
    let (path, _) = rest.split_once('"')?;
    Some(PathBuf::from(path.replace("\\\\", "\\")))
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name() != "target" {
            copy_all(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn checkout() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The end of a long output; loom's backtraces repeat themselves before it.
fn tail(output: &str) -> String {
    const KEPT: usize = 20_000;
    let start = (output.len().saturating_sub(KEPT)..).find(|&at| output.is_char_boundary(at)).unwrap_or(0);
    output[start..].to_owned()
}

fn say(line: fmt::Arguments<'_>) {
    // Nobody to tell when the output is closed.
    let _ = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Without this a table would go stale unseen, since the mutants are too slow for a plain `cargo test`.
    #[test]
    fn every_recorded_mutation_applies() {
        let checkout = checkout();
        let mutations = read_tables(&checkout).unwrap();
        assert!(!mutations.is_empty());
        for mutation in mutations {
            let changed =
                mutation.apply(&checkout).map_err(|why| format!("{}: {why}", mutation.model)).unwrap();
            for (file, text) in changed {
                assert_ne!(
                    text,
                    fs::read_to_string(checkout.join(&file)).unwrap(),
                    "{}: {file}",
                    mutation.model
                );
            }
        }
    }

    /// Every model of every test target: the target, and the model's full name in it.
    fn models(checkout: &Path) -> BTreeSet<(String, String)> {
        let mut models = BTreeSet::new();
        for entry in fs::read_dir(checkout.join("loom-tests/tests")).unwrap() {
            let path = entry.unwrap().path();
            let target = stem(&path);
            if path.join("main.rs").exists() {
                for entry in fs::read_dir(&path).unwrap() {
                    let file = entry.unwrap().path();
                    if file.is_dir() {
                        // The tree of what is modelled, not of models.
                        continue;
                    }
                    let module = Some(stem(&file)).filter(|module| module != "main");
                    collect_models(&file, &target, module, &mut models);
                }
            } else if path.is_file() {
                collect_models(&path, &target, None, &mut models);
            }
        }
        models
    }

    fn stem(path: &Path) -> String {
        path.file_stem().unwrap().to_str().unwrap().to_owned()
    }

    fn collect_models(
        file: &Path,
        target: &str,
        module: Option<String>,
        models: &mut BTreeSet<(String, String)>,
    ) {
        let text = fs::read_to_string(file).unwrap();
        let mut lines = text.lines();
        while lines.any(|line| line.trim() == "#[test]") {
            let head = lines.find(|line| !line.trim_start().starts_with("#[")).unwrap();
            let name = head.trim_start().strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            let name = name.unwrap_or_else(|| panic!("{}: a test without a name", file.display()));
            let model = module.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("::");
            assert!(models.insert((target.to_owned(), model)), "{name} is there twice");
        }
    }

    /// A model that cannot fail proves nothing, and one that was never seen to fail may be such a model.
    #[test]
    fn every_model_has_a_recorded_mutation_and_every_record_a_model() {
        let checkout = checkout();
        let models = models(&checkout);
        assert!(models.len() > 130, "only {} models were found", models.len());
        let mutations = read_tables(&checkout).unwrap();
        let recorded: BTreeSet<_> =
            mutations.into_iter().map(|mutation| (mutation.table, mutation.model)).collect();
        let without: Vec<_> = models.difference(&recorded).collect();
        assert!(without.is_empty(), "models without a mutation that they catch: {without:?}");
        let unknown: Vec<_> = recorded.difference(&models).collect();
        assert!(unknown.is_empty(), "mutations of models that there are not: {unknown:?}");
    }

    #[test]
    fn a_table_without_expectation_is_refused() {
        let table = "model  a::b\nbreaks  the cap\nfile  x.rs\n- one\n+ two\n";
        assert!(parse("pool", table).unwrap_err().contains("lacks"));
    }

    #[test]
    fn an_edit_must_fit_exactly_once() {
        let edit = Edit { file: "x.rs".into(), old: vec!["b".into()], new: vec!["c".into()] };
        assert_eq!(edit.apply("a\n    b\n").unwrap(), "a\nc\n");
        assert!(edit.apply("a\n").unwrap_err().contains("0 places"));
        assert!(edit.apply("b\nb\n").unwrap_err().contains("2 places"));
    }
}
