//! A session by its bytes: what is said, in which order, and how it ends.

use super::super::options::WebSocketOptions;
use super::*;
use crate::sockets::{WebSocketHandler, WebSocketResult};
use crate::ws::MessageKind;
use parking_lot::Mutex;

/// Says back what it is told, and keeps how it ended.
struct Echo(Arc<Mutex<Vec<WebSocketEnd>>>);

impl WebSocketHandler for Echo {
    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        Ok(socket.send(message)?)
    }

    fn on_close(&mut self, end: &WebSocketEnd) {
        self.0.lock().push(end.clone());
    }
}

/// A session with what it is given and what it gives.
struct Scene {
    session: SocketSession,
    input: Input,
    output: Output,
    ends: Arc<Mutex<Vec<WebSocketEnd>>>,
}

impl Scene {
    fn new() -> Self {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let handler: Box<dyn WebSocketHandler> = Box::new(Echo(ends.clone()));
        let seed = SocketSeed {
            settings: WebSocketOptions::default().settings,
            subprotocol: None,
            deflate: None,
            user: SocketUser::Handler(Contained::new(handler)),
        };
        let session = SocketSession::begin(seed, &Arc::default(), &StopSignal::new(), 0);
        Self { session, input: Input::default(), output: Output::default(), ends }
    }

    /// What is to be done when the user's code was run as often as it was to be.
    fn step(&mut self, is_stopping: bool) -> SocketStep {
        loop {
            match self.session.next(&mut self.input, &mut self.output, 0, is_stopping) {
                SocketStep::Run => self.session.run(),
                other => return other,
            }
        }
    }
}

fn said(text: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    MessageEncoder::new(Role::Client, None).message(MessageKind::Text, text.as_bytes(), &mut frame);
    frame
}

#[test]
fn what_is_answered_comes_before_the_answer_to_a_close_frame() {
    let mut scene = Scene::new();
    assert_eq!(scene.step(false), SocketStep::Read);
    let mut close = Vec::new();
    MessageEncoder::new(Role::Client, None).close(Some(&CloseFrame::new(4000, "")), &mut close);
    scene.input.receive(&[said("one"), said("two"), close, said("late")].concat());
    assert_eq!(scene.step(false), SocketStep::Over { is_cut: false, is_mid: false });
    assert_eq!(scene.output.to_vec(), b"\x81\x03one\x81\x03two\x88\x02\x0f\xa0");
    assert_eq!(*scene.ends.lock(), [WebSocketEnd::ByClient(Some(CloseFrame::new(4000, "")))]);
}

#[test]
fn what_is_not_sent_keeps_the_rest_from_being_read() {
    let ping = [b"\x89\xfd\0\0\0\0".as_slice(), &[b'x'; 125]].concat();
    for flood in [ping.repeat(10_000), said(&"y".repeat(1000)).repeat(1000)] {
        let mut scene = Scene::new();
        scene.input.receive(&flood);
        assert_eq!(scene.step(false), SocketStep::Send);
        assert!((ENOUGH..ENOUGH + 2000).contains(&scene.output.len()), "{}", scene.output.len());
        let left = scene.input.unread().len();
        assert!(left > flood.len() / 2);
        assert_eq!((scene.step(false), scene.input.unread().len()), (SocketStep::Send, left));
        scene.output.clear();
        assert_eq!(scene.step(false), SocketStep::Send);
        assert!(scene.input.unread().len() < left);
    }
}

#[test]
fn a_stop_is_said_once_behind_what_waits() {
    let mut scene = Scene::new();
    scene.session.sender.send("first").expect("it is open");
    assert_eq!(scene.step(true), SocketStep::Read);
    let expected = b"\x81\x05first\x88\x12\x03\xe9the server stops";
    assert_eq!(scene.output.to_vec(), expected);
    scene.output.clear();
    // What comes now is told to nobody, and the answer is the end.
    scene.input.receive(&[said("late"), b"\x88\x80\0\0\0\0".to_vec()].concat());
    assert_eq!(scene.step(true), SocketStep::Over { is_cut: false, is_mid: false });
    assert!(scene.output.is_empty(), "nothing is said behind it");
    assert_eq!(scene.ends.lock()[0].code(), CloseCode::AWAY);
}

/// Both say so at once, and neither has heard the other: it is who was heard first.
#[test]
fn a_close_frame_that_has_not_left_was_not_answered() {
    let theirs = CloseFrame::new(4000, "");
    let mut close = Vec::new();
    MessageEncoder::new(Role::Client, None).close(Some(&theirs), &mut close);
    for (has_left, by_whom) in [
        (false, WebSocketEnd::ByClient(Some(theirs.clone()))),
        (true, WebSocketEnd::ByServer(CloseFrame::new(4001, "ours"))),
    ] {
        let mut scene = Scene::new();
        assert_eq!(scene.step(false), SocketStep::Read);
        scene.session.sender.close(4001, "ours");
        if has_left {
            assert_eq!(scene.step(false), SocketStep::Read);
            scene.output.clear();
        }
        scene.input.receive(&close);
        assert_eq!(scene.step(false), SocketStep::Over { is_cut: false, is_mid: false });
        assert_eq!(*scene.ends.lock(), [by_whom]);
    }
}

#[cfg(feature = "client")]
#[test]
fn a_client_hears_what_adds_nothing_to_its_output() {
    let settings = WebSocketOptions::default().settings;
    let (mut session, _socket) = SocketSession::begin_held(settings, None, None, 0);
    let (mut input, mut output) = (Input::default(), Output::default());
    input.receive(&b"\x89\x02ab".repeat(10_000));
    assert_eq!(session.hear(&mut input, &mut output, 0), SocketStep::Read);
    assert!(input.is_empty() && output.is_empty());
    assert_eq!(session.next(&mut input, &mut output, 0, false), SocketStep::Read);
    assert_eq!(output.len(), 8, "one pong");
}

#[cfg(feature = "client")]
#[test]
fn a_client_whose_close_frame_has_not_left_was_closed_by_the_server() {
    let theirs = CloseFrame::new(4000, "");
    let by_us = WebSocketEnd::ByClient(Some(CloseFrame::new(1000, "")));
    for (has_left, expected) in [(false, WebSocketEnd::ByServer(theirs.clone())), (true, by_us)] {
        let settings = WebSocketOptions::default().settings;
        let (mut session, socket) = SocketSession::begin_held(settings, None, None, 0);
        let (mut input, mut output) = (Input::default(), Output::default());
        socket.sender().close(1000, "");
        assert_eq!(session.next(&mut input, &mut output, 0, false), SocketStep::Read);
        if has_left {
            output.clear();
        }
        let mut close = Vec::new();
        MessageEncoder::new(Role::Server, None).close(Some(&theirs), &mut close);
        input.receive(&close);
        let over = SocketStep::Over { is_cut: false, is_mid: false };
        assert_eq!(session.hear(&mut input, &mut output, 0), over);
        assert_eq!(socket.end(), Some(&expected));
    }
}

#[test]
fn whoever_gives_it_up_has_its_end_told() {
    let mut scene = Scene::new();
    scene.input.receive(&said("one"));
    assert_eq!(
        scene.session.next(&mut scene.input, &mut scene.output, 0, false),
        SocketStep::Run,
        "it opens"
    );
    let (sender, ends) = (scene.session.sender.clone(), scene.ends.clone());
    drop(scene);
    assert_eq!(*ends.lock(), [WebSocketEnd::Lost]);
    assert!(!sender.is_open() && sender.end() == Some(&WebSocketEnd::Lost));
}

#[cfg(feature = "client")]
#[test]
fn a_client_gives_up_who_takes_nothing_unless_it_does_not_hear_it() {
    let millis = std::time::Duration::from_millis;
    let options = WebSocketOptions::builder().ping_interval(millis(100)).pong_timeout(millis(50)).queue(1);
    let options = options.build().expect("options with a meaning");
    let mut frame = Vec::new();
    MessageEncoder::new(Role::Server, None).message(MessageKind::Text, b"one", &mut frame);
    for is_heard in [false, true] {
        let (mut session, socket) = SocketSession::begin_held(options.settings.clone(), None, None, 0);
        let (mut input, mut output) = (Input::default(), Output::default());
        socket.sender().send("for nobody").expect("it is open");
        assert_eq!(session.next(&mut input, &mut output, 0, false), SocketStep::Read);
        if !is_heard {
            // There is no room for what it says.
            input.receive(&frame.repeat(10_000));
        }
        let length = output.len();
        let step = if is_heard { SocketStep::Read } else { SocketStep::Send };
        for (now, is_late) in [(0, false), (150, false), (151, is_heard), (1000, is_heard)] {
            assert_eq!(session.hear(&mut input, &mut output, now), step);
            assert_eq!(session.is_late_to_take(now, false), is_late, "{now}");
        }
        assert_eq!(output.len(), length, "nothing is added to what is not taken");
    }
}
