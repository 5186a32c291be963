//! Clients, each used as its own documentation would have it, against one server that is the same for all.
//!
//! Callers are threads of a blocking client and tasks of an asynchronous one, which has as many threads as our server
//! has shards. Each asks, compares what it gets with what it must get, byte by byte, and asks again; the first answer
//! that is wrong or missing fails the run. What is asked for is in [`Errand`].

mod bare;
mod hyper;
mod reqwest;
mod stage;
mod ureq;

use crate::bodies;
use crate::cpu::CpuTime;
use crate::http::{LANES, ServerProcess};
use crate::latency::Histogram;
use crate::report::micros;
use crate::{machine, ours_client};
use ::hyper::body::Bytes;
pub(crate) use stage::Stage;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a large body.
pub const BODY_BYTES: usize = 1024 * 1024;

/// Where the server has a tiny text.
pub(crate) const TEXT: &str = "/text";

/// Where it has a large body, and takes one.
pub(crate) const BODY: &str = "/body";

/// The tiny text, and the answer to a large body that is what it must be.
pub(crate) const WORD: &str = "Hello, World!";

/// The large body, in both directions.
pub(crate) fn large() -> Vec<u8> {
    bodies::noise(BODY_BYTES)
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// A tiny text, on connections that are kept.
    Get,
    /// The same, each on a connection of its own.
    Anew,
    /// A large body.
    Down,
    /// That a large body is taken.
    Up,
}

/// A client that takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contestant {
    /// A socket for each caller, a canned request, and an answer whose length is known: the limit, not a client.
    Bare,
    /// This project's client of any host.
    Ours,
    /// This project's client of one host, with a request and a response that are used again.
    OursKept,
    /// ureq: an agent.
    Ureq,
    /// reqwest's blocking client.
    ReqwestBlocking,
    /// reqwest, on one multi-thread tokio runtime.
    Reqwest,
    /// hyper-util's legacy client, on one multi-thread tokio runtime.
    HyperUtil,
}

impl Contestant {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 7] = [
        Self::Bare,
        Self::Ours,
        Self::OursKept,
        Self::Ureq,
        Self::ReqwestBlocking,
        Self::Reqwest,
        Self::HyperUtil,
    ];

    /// The name in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Ours => "ours",
            Self::OursKept => "ours_kept",
            Self::Ureq => "ureq",
            Self::ReqwestBlocking => "reqwest_blocking",
            Self::Reqwest => "reqwest",
            Self::HyperUtil => "hyper_util",
        }
    }

    /// Has its callers ask until the stage is closed.
    fn play(self, callers: usize, question: &Question, stage: &Arc<Stage>) -> Result<Histogram, String> {
        match self {
            Self::Bare => bare::play(callers, question, stage),
            Self::Ours => ours_client::play(callers, question, stage),
            Self::OursKept => ours_client::play_kept(callers, question, stage),
            Self::Ureq => ureq::play(callers, question, stage),
            Self::ReqwestBlocking => reqwest::play_blocking(callers, question, stage),
            Self::Reqwest => reqwest::play(callers, question, stage),
            Self::HyperUtil => hyper::play(callers, question, stage),
        }
    }
}

/// What one caller asks, and how it must be answered.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    /// The body that goes with it.
    pub(crate) body: Option<Bytes>,
    /// Whether its connection ends behind the answer.
    pub(crate) is_last: bool,
    expected: Bytes,
}

impl Question {
    fn new(errand: Errand, address: SocketAddr) -> Self {
        let word = Bytes::from_static(WORD.as_bytes());
        let (path, body, expected) = match errand {
            Errand::Get | Errand::Anew => (TEXT, None, word),
            Errand::Down => (BODY, None, large().into()),
            Errand::Up => (BODY, Some(large().into()), word),
        };
        Self { address, path, body, is_last: errand == Errand::Anew, expected }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    pub(crate) fn answer_bytes(&self) -> usize {
        self.expected.len()
    }

    /// Compares an answer with what it must be.
    pub(crate) fn judge(&self, status: u16, body: &[u8]) -> Result<(), String> {
        if status != 200 || body != self.expected {
            let shown = String::from_utf8_lossy(&body[..body.len().min(100)]);
            return Err(format!("a wrong answer, {status} with {} bytes: {shown:?}", body.len()));
        }
        Ok(())
    }
}

/// What is asked for, by how many and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    /// What.
    pub errand: Errand,
    /// How many ask at a time.
    pub callers: usize,
    /// Time before measuring starts.
    pub warm_up: Duration,
    /// Time measured.
    pub measure: Duration,
}

/// What one run has shown.
#[derive(Debug)]
pub struct Called {
    /// The time measured.
    pub elapsed: Duration,
    /// From asking to the last byte of the answer.
    pub latency: Histogram,
    /// CPU time that the client used in that time, its callers included.
    pub client: CpuTime,
    /// CPU time that the server used in that time.
    pub server: CpuTime,
    /// Threads of the process in which the client was, at the end.
    pub threads: usize,
    /// CPU time that everything else on the machine used in that time; none where the kernel does not tell.
    pub others: Option<Duration>,
}

impl Called {
    /// Answers per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.latency.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// CPU time of the client per answer, in microseconds.
    #[must_use]
    pub fn client_cpu(&self) -> f64 {
        micros(self.client.total()) / self.latency.count() as f64
    }

    /// CPU time of the server per answer, in microseconds.
    #[must_use]
    pub fn server_cpu(&self) -> f64 {
        micros(self.server.total()) / self.latency.count() as f64
    }

    /// How many cores everything else on the machine kept busy; not a number where the kernel does not tell.
    #[must_use]
    pub fn other_cores(&self) -> f64 {
        self.others.map_or(f64::NAN, |others| others.as_secs_f64() / self.elapsed.as_secs_f64())
    }
}

/// Has a client, a new one, ask a server.
///
/// # Errors
/// When an answer was wrong or missing, or there was none.
pub fn run(contestant: Contestant, calls: &Calls, server: &mut ServerProcess) -> Result<Called, String> {
    let question = Question::new(calls.errand, server.address());
    let stage = Arc::new(Stage::default());
    let (observed, played) = thread::scope(|scope| {
        let playing = scope.spawn(|| {
            let played = contestant.play(calls.callers, &question, &stage);
            // Whoever could not even begin has failed, too.
            played.inspect_err(|reason| stage.fail(reason))
        });
        let observed = observe(&stage, calls, server);
        stage.close();
        (observed, playing.join())
    });
    let latency = played.map_err(|_| "it has panicked".to_owned())??;
    if let Some(reason) = stage.failure() {
        return Err(reason);
    }
    let called = Called { latency, ..observed? };
    if called.latency.count() == 0 {
        return Err("nothing was answered in time".to_owned());
    }
    Ok(called)
}

/// Takes the figures of the time measured; the answers are with those who ask.
fn observe(stage: &Stage, calls: &Calls, server: &mut ServerProcess) -> Result<Called, String> {
    let lost = |error| format!("the server's figures are unknown: {error}");
    stage.pause(calls.warm_up);
    let server_before = server.cpu_time().map_err(lost)?;
    let client_before = CpuTime::of_this_process();
    let busy_before = machine::busy_time();
    let started = Instant::now();
    stage.measure();
    stage.pause(calls.measure);
    stage.close();
    let elapsed = started.elapsed();
    let client = CpuTime::of_this_process() - client_before;
    let used = server.cpu_time().map_err(lost)? - server_before;
    let busy = machine::busy_time().zip(busy_before).map(|(after, before)| after.saturating_sub(before));
    Ok(Called {
        elapsed,
        latency: Histogram::new(),
        client,
        server: used,
        threads: fs::read_dir("/proc/self/task").map_or(0, Iterator::count),
        others: busy.map(|busy| busy.saturating_sub(used.total() + client.total())),
    })
}

/// Has a thread for each caller, which makes itself what it calls by, ask until the stage is closed.
pub(crate) fn by_threads<C: FnMut() -> Result<(), String>>(
    callers: usize,
    stage: &Stage,
    make: impl Fn() -> Result<C, String> + Sync,
) -> Result<Histogram, String> {
    let outcomes: Vec<_> = thread::scope(|scope| {
        let asking = || make().map(|call| stage.drive(call));
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(asking)).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut all = Histogram::new();
    for outcome in outcomes {
        all.merge(&outcome.map_err(|_| "a caller has panicked".to_owned())??);
    }
    Ok(all)
}

/// The same with a task for each, on a runtime of [`LANES`] threads.
pub(crate) fn by_tasks<F: Future<Output = Result<(), String>> + Send + 'static>(
    callers: usize,
    stage: &Arc<Stage>,
    make: impl FnOnce() -> Result<Arc<dyn Fn() -> F + Send + Sync>, String>,
) -> Result<Histogram, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(LANES).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let call = make()?;
        let ask = |_| {
            let (stage, call) = (stage.clone(), call.clone());
            tokio::spawn(async move { stage.drive_tasks(&*call).await })
        };
        let tasks: Vec<_> = (0..callers).map(ask).collect();
        let mut all = Histogram::new();
        for task in tasks {
            all.merge(&task.await.map_err(|error| error.to_string())?);
        }
        Ok(all)
    })
}
