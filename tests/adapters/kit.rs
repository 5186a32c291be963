//! Services and bodies that do as they are told, and the smallest runtime.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use anthill_http::adapters::{RequestBody, tower_service};
use anthill_http::{Server, ServerBuilder};
use anthill_tests::planned_panic;
use anthill_tests::server::{Running, plain};
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::service_fn;

/// A gate that tasks wait at; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct TaskGate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl TaskGate {
    pub(crate) fn open(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = true;
        let wakers = std::mem::take(&mut state.1);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn poll_pass(&self, task: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 {
            return Poll::Ready(());
        }
        state.1.push(task.waker().clone());
        Poll::Pending
    }

    pub(crate) async fn pass(&self) {
        poll_fn(|task| self.poll_pass(task)).await;
    }
}

/// What a body does next.
pub(crate) enum Step {
    Data(Vec<u8>),
    Trailer(&'static str, &'static str),
    Waits(TaskGate),
    Fails,
    Panics,
}

/// A body that does one step after the other. What it keeps is dropped with it.
pub(crate) struct Scripted {
    steps: VecDeque<Step>,
    size: Option<u64>,
    _kept: Option<Arc<()>>,
}

impl Scripted {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), size: None, _kept: None }
    }

    pub(crate) fn sized(self, size: u64) -> Self {
        Self { size: Some(size), ..self }
    }

    pub(crate) fn keeping(self, kept: Arc<()>) -> Self {
        Self { _kept: Some(kept), ..self }
    }
}

pub(crate) fn data(text: impl Into<Vec<u8>>) -> Step {
    Step::Data(text.into())
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        while let Some(Step::Waits(gate)) = self.steps.front() {
            match gate.poll_pass(task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => drop(self.steps.pop_front()),
            }
        }
        Poll::Ready(match self.steps.pop_front() {
            None => None,
            Some(Step::Data(bytes)) => Some(Ok(Frame::data(bytes.into()))),
            Some(Step::Trailer(name, value)) => {
                let mut fields = HeaderMap::new();
                fields.insert(name, HeaderValue::from_static(value));
                // They are one frame, the last.
                while let Some(Step::Trailer(name, value)) = self.steps.front() {
                    fields.insert(*name, HeaderValue::from_static(value));
                    self.steps.pop_front();
                }
                Some(Ok(Frame::trailers(fields)))
            }
            Some(Step::Fails) => Some(Err(io::Error::other("planned: the source of a body"))),
            Some(Step::Panics) => planned_panic(),
            Some(Step::Waits(_)) => unreachable!("it was passed"),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The rest of a body: its bytes, and what followed them.
pub(crate) async fn collect<B: Body>(body: B) -> Result<(Vec<u8>, HeaderMap), B::Error> {
    let mut body = pin!(body);
    let (mut bytes, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = poll_fn(|task| body.as_mut().poll_frame(task)).await {
        match frame?.into_data() {
            Ok(mut data) => {
                while data.has_remaining() {
                    let chunk = data.chunk();
                    bytes.extend_from_slice(chunk);
                    let count = chunk.len();
                    data.advance(count);
                }
            }
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok((bytes, trailers))
}

/// The next data of a body.
pub(crate) async fn next_data<B: Body<Data = Bytes> + Unpin>(
    body: &mut B,
) -> Option<Result<Bytes, B::Error>> {
    let frame = poll_fn(|task| Pin::new(&mut *body).poll_frame(task)).await?;
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
}

struct ThisThread(thread::Thread);

impl Wake for ThisThread {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future by this thread. There is no runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(ThisThread(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A server whose handler is a service of this function.
fn server_of<F, B>(
    options: ServerBuilder,
    answer: impl Fn(Request<RequestBody>) -> F + Clone + Send + Sync + 'static,
) -> Server
where
    F: Future<Output = Result<Response<B>, Infallible>> + 'static,
    B: Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    options.build_handler(tower_service(service_fn(answer))).expect("options that go together")
}

/// The same, which runs.
pub(crate) fn serving<F, B>(
    options: ServerBuilder,
    answer: impl Fn(Request<RequestBody>) -> F + Clone + Send + Sync + 'static,
) -> Running
where
    F: Future<Output = Result<Response<B>, Infallible>> + 'static,
    B: Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    Running::serving(server_of(options, answer))
}

/// One whose handlers begin at the head of a request.
pub(crate) fn streaming() -> ServerBuilder {
    plain().stream_request_body(true).body_read_ahead(None)
}
