//! One who sends to many.

use super::link::SocketLink;
use super::sender::WebSocketSender;
use crate::wire::members::MemberList;
use crate::wire::wake::Waker;
use crate::ws::{CloseCode, CloseFrame, Message, SharedMessage};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

/// Sends to all sockets that have joined; clones are the same group. A socket leaves by itself when it ends, and may be
/// in any number of groups.
///
/// A message is encoded once, whoever gets it, and lies in memory once. Whoever sends waits for no client.
///
/// ```
/// use anthill_http::RequestCtx;
/// use anthill_http::websocket::{Message, WebSocketGroup, WebSocketHandler, WebSocketOptions};
/// use anthill_http::websocket::{WebSocketResult, WebSocketSender};
///
/// struct Chat(WebSocketGroup);
///
/// impl WebSocketHandler for Chat {
///     fn on_open(&mut self, socket: &WebSocketSender) -> WebSocketResult {
///         self.0.join(socket);
///         Ok(())
///     }
///
///     fn on_message(&mut self, _: &WebSocketSender, message: Message) -> WebSocketResult {
///         self.0.send(message);
///         Ok(())
///     }
/// }
///
/// fn chat(ctx: &mut RequestCtx, everybody: &WebSocketGroup, options: &WebSocketOptions) {
///     ctx.upgrade_websocket_handler(options, Chat(everybody.clone()));
/// }
/// # let _ = chat;
/// let everybody = WebSocketGroup::new();
/// assert_eq!((everybody.len(), everybody.send("hello")), (0, 0));
/// ```
#[derive(Clone, Default)]
pub struct WebSocketGroup {
    shared: Arc<GroupShared>,
}

#[derive(Default)]
struct GroupShared {
    members: Arc<MemberList<SocketLink>>,
    /// One message after the other, so that all get them in the same order; with memory that each of them uses.
    sending: Mutex<Vec<Waker>>,
}

impl WebSocketGroup {
    /// A group without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a socket join. False: it has ended, or is in here already.
    pub fn join(&self, socket: &WebSocketSender) -> bool {
        socket.link.join(&self.shared.members)
    }

    /// Lets a socket leave before it ends. False: it is not in here.
    pub fn leave(&self, socket: &WebSocketSender) -> bool {
        socket.link.part(&self.shared.members)
    }

    /// Sends `message` to all. Says for how many it was queued; what becomes of it where there is no room say the
    /// options of each socket.
    ///
    /// May be called from any thread, and waits for nobody but others who send at the same moment. All members get the
    /// messages of a group in the same order.
    pub fn send(&self, message: impl Into<Message>) -> usize {
        self.send_unless(message.into(), |_| false)
    }

    /// The same, to all but one.
    pub fn send_except(&self, socket: &WebSocketSender, message: impl Into<Message>) -> usize {
        self.send_unless(message.into(), |link| std::ptr::eq(link, Arc::as_ptr(&socket.link)))
    }

    fn send_unless(&self, message: Message, is_left_out: impl Fn(&SocketLink) -> bool) -> usize {
        let GroupShared { members, sending } = &*self.shared;
        let message = SharedMessage::from(&message);
        let mut queued = 0;
        members.each(&mut sending.lock(), |link| {
            if is_left_out(link) {
                return None;
            }
            let (is_queued, wakes) = link.put_shared(&message);
            queued += usize::from(is_queued);
            wakes
        });
        queued
    }

    /// Closes all sockets that are in here, behind what waits to be sent to each. The group goes on, for others to
    /// join.
    pub fn close_all(&self, code: impl Into<CloseCode>, reason: impl Into<String>) {
        let GroupShared { members, sending } = &*self.shared;
        let frame = CloseFrame::new(code, reason);
        members.each(&mut sending.lock(), |link| link.close_quietly(frame.clone()));
    }

    /// How many sockets are in here.
    pub fn len(&self) -> usize {
        self.shared.members.count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for WebSocketGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketGroup").field("len", &self.len()).finish_non_exhaustive()
    }
}
