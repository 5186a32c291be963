//! One who sends to many.

use super::mailbox::Mailbox;
use super::options::EventOptions;
use super::stream::EventStream;
use super::subscribers::Subscribers;
use super::sync::{Mutex, lock};
use crate::values::event::{Event, EventError};
use crate::wire::wake::Waker;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sends events to all who have subscribed; clones are the same hub.
///
/// A subscriber is a response that goes on for as long as its client listens, and that holds no thread. An event is
/// encoded once, whoever gets it.
///
/// ```
/// use anthill_http::{Server, events::{Event, EventHub}};
/// use std::io::{BufRead, BufReader, Write};
/// use std::net::TcpStream;
/// use std::time::Duration;
///
/// let hub = EventHub::new();
/// let subscribing = hub.clone();
/// let server = Server::builder().build(move |ctx| ctx.set_event_stream(subscribing.subscribe()))?;
/// let listener = Server::listen("127.0.0.1:0")?;
/// let mut client = TcpStream::connect(listener.local_addr()?)?;
/// let serving = std::thread::spawn({
///     let server = server.clone();
///     move || server.serve(listener)
/// });
///
/// client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
/// let mut lines = BufReader::new(client.try_clone()?).lines();
/// // The head is here, so the client has subscribed.
/// assert!(lines.by_ref().any(|line| line.is_ok_and(|line| line == "Content-Type: text/event-stream")));
/// assert_eq!(hub.subscribers(), 1);
///
/// assert_eq!(hub.send(Event::data("hello").id("7"))?, 1);
/// assert!(lines.by_ref().any(|line| line.is_ok_and(|line| line == "data: hello")));
///
/// // The end of the hub is the end of all its streams.
/// drop((hub, client));
/// server.shutdown(Duration::from_secs(5))?;
/// serving.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// When the last clone is dropped, or the hub is [closed](EventHub::close), each stream ends behind what waits for it,
/// and its connection can serve the next request.
#[derive(Clone)]
pub struct EventHub {
    shared: Arc<HubShared>,
}

struct HubShared {
    subscribers: Arc<Subscribers>,
    options: EventOptions,
    /// One event after the other, so that all get them in the same order; with memory that each of them uses.
    sending: Mutex<Vec<Waker>>,
    lost: AtomicU64,
}

impl EventHub {
    /// A hub without subscribers, with the default options.
    pub fn new() -> Self {
        Self::of(EventOptions::new())
    }

    /// The same, with these options.
    ///
    /// # Errors
    /// [`EventError::ZeroOption`].
    pub fn with(options: EventOptions) -> Result<Self, EventError> {
        Ok(Self::of(options.checked()?))
    }

    fn of(options: EventOptions) -> Self {
        let shared = HubShared {
            subscribers: Arc::default(),
            options,
            sending: Mutex::new(Vec::new()),
            lost: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A stream that gets what is sent from now on. Once the hub is closed it is at its end.
    pub fn subscribe(&self) -> EventStream {
        let HubShared { subscribers, options, .. } = &*self.shared;
        let mailbox = Arc::new(Mailbox::new());
        let stream = EventStream::new(mailbox.clone(), options);
        match subscribers.enter(&mailbox) {
            Some(place) => stream.of_subscriber(subscribers.clone(), place),
            None => {
                stream.end();
                stream
            }
        }
    }

    /// Sends `event` to all subscribers. Says for how many it was queued, which may be none.
    ///
    /// May be called from any thread, and waits for nobody but others who send at the same moment. All subscribers get
    /// the events of a hub in the same order.
    ///
    /// # Errors
    /// [`EventError::Field`], and [`EventError::Closed`] when the hub was closed.
    pub fn send(&self, event: Event) -> Result<usize, EventError> {
        let HubShared { subscribers, options, sending, lost } = &*self.shared;
        let event = event.encode()?;
        let mut wakers = lock(sending);
        if subscribers.is_closed() {
            return Err(EventError::Closed);
        }
        let tally = subscribers.post(&event, options.queue, options.when_full(), &mut wakers);
        lost.fetch_add(tally.lost, Ordering::Relaxed);
        Ok(tally.queued)
    }

    /// How many streams there are that have not come to their end. A client that goes is missed at once where its
    /// connection is served by [`serve`](crate::Server::serve); see
    /// [`Response::set_event_stream`](crate::Response::set_event_stream).
    pub fn subscribers(&self) -> usize {
        self.shared.subscribers.count()
    }

    /// How many events subscribers have lost because they were too slow, each counted for each of them.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Ends all streams behind what waits for them. There is no way back.
    pub fn close(&self) {
        let mut wakers = lock(&self.shared.sending);
        self.shared.subscribers.end(&mut wakers);
    }
}

impl Default for EventHub {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for HubShared {
    fn drop(&mut self) {
        self.subscribers.end(&mut Vec::new());
    }
}

impl fmt::Debug for EventHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subscribers, lost) = (self.subscribers(), self.lost());
        f.debug_struct("EventHub")
            .field("subscribers", &subscribers)
            .field("lost", &lost)
            .finish_non_exhaustive()
    }
}
