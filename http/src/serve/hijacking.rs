//! Giving a connection away to the user's function that takes it over.
//!
//! The rule: whoever gives it away runs nothing of the user's. Where the system gives no thread for the function all
//! that is left of it goes back, because a driver is among those who give, and to drop it may take long: functions,
//! values and observers are the user's, and a last word to a client that takes nothing has some time.

use crate::ctx::{ConnInfo, CutTransport, Hijack, HijackedConn, Taker, UserValues};
use crate::serve::exchange::News;
use crate::serve::service::Service;
use crate::util::panic::{self, Contained};
use crate::wire::taken_over::Permit;
use crate::wire::transport::Transport;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::thread;

/// A connection that the server has nothing to do with any more.
pub(crate) struct GivenAway {
    pub(crate) transport: Arc<dyn Transport>,
    /// What was received and belongs to whoever has it now.
    pub(crate) received: Vec<u8>,
    /// The function, and what handlers have kept for it.
    pub(crate) kept: UserValues,
    /// What observers are to be told before it runs.
    pub(crate) news: Option<News>,
}

/// What is run on a thread of its own.
type OwnCode = Box<dyn FnOnce() + Send>;

/// All that the function has, in the order in which it is dropped if there is no thread.
struct Given {
    news: Option<News>,
    function: Contained<Box<dyn FnOnce(HijackedConn) + Send>>,
    conn: HijackedConn,
    kept: UserValues,
    permit: Permit<CutTransport>,
}

impl Given {
    fn run(self) {
        let Self { news, function, conn, kept, permit } = self;
        drop(news);
        if let Some(function) = function.into_inner() {
            if let Err(panicked) = panic::call(move || function(conn)) {
                log::error!("a function that has taken a connection over {panicked}");
            }
        }
        drop(kept);
        drop(permit);
    }
}

/// Runs the function on a thread of its own. `Some`: there is none, and this is for the caller to have dropped where
/// the user's code may run.
#[must_use]
pub(crate) fn give_away(given: GivenAway, info: &ConnInfo, service: &Service) -> Option<Box<dyn Send>> {
    give_away_by(given, info, service, |run| {
        thread::Builder::new().name("anthill-hijack".to_owned()).spawn(run).map(drop)
    })
}

fn give_away_by(
    given: GivenAway,
    info: &ConnInfo,
    service: &Service,
    spawn: impl FnOnce(OwnCode) -> io::Result<()>,
) -> Option<Box<dyn Send>> {
    let GivenAway { transport, received, mut kept, news } = given;
    let Some(Hijack { taker: Taker::Function(function), place: Some(place), .. }) = kept.take_hijack() else {
        log::error!("a connection was to be taken over, and nobody does");
        return Some(Box::new((kept, news)));
    };
    let (conn, permit) = HijackedConn::new(transport, received, info.clone(), service.stop.clone(), place);
    let given = Given { news, function, conn, kept, permit };
    // Of a closure that is given to a thread that is none nothing comes back.
    let place = Arc::new(Mutex::new(Some(given)));
    let given = place.clone();
    let run = move || {
        let given = given.lock().take();
        if let Some(given) = given {
            given.run();
        }
    };
    let error = spawn(Box::new(run)).err()?;
    log::error!("a connection is closed that was to be taken over: no thread can be had: {error}");
    let given = place.lock().take()?;
    Some(Box::new(given))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::ServerBuilder;
    use crate::wire::taken_over::TakenOver;
    use crate::wire::transport::{ReadCount, ReadySet};
    use std::io::ErrorKind;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// A client that takes no last word, and how often somebody waited for that.
    #[derive(Default)]
    struct TakesNothing(AtomicUsize);

    impl Transport for TakesNothing {
        fn read(&self, _: &mut [u8]) -> io::Result<ReadCount> {
            Err(ErrorKind::WouldBlock.into())
        }

        fn write(&self, _: [&[u8]; 2]) -> io::Result<usize> {
            Err(ErrorKind::WouldBlock.into())
        }

        fn wait(&self, _: ReadySet, _: Option<Duration>) -> io::Result<bool> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(false)
        }

        fn shut_down(&self) {}

        fn shutdown_write(&self) -> io::Result<()> {
            Err(ErrorKind::WouldBlock.into())
        }
    }

    /// Counts its drops.
    struct Dropped(Arc<AtomicUsize>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn whoever_gets_no_thread_for_a_function_drops_and_waits_for_nothing() {
        let settings = ServerBuilder::default().resolve().expect("the defaults");
        let service = Service::new(settings, Box::new(|_: &mut crate::RequestCtx| {}));
        let dropped = Arc::new(AtomicUsize::new(0));
        let of_function = Dropped(dropped.clone());
        let function = Box::new(move |_: HijackedConn| {
            let _of_function = of_function;
            panic!("it does not run");
        });
        let mut kept = UserValues::default();
        kept.set_hijack(Hijack {
            taker: Taker::Function(Contained::new(function)),
            sends_response: true,
            switches_protocols: false,
            place: TakenOver::promise(&service.taken_over, 1),
        });
        let transport = Arc::new(TakesNothing::default());
        let given = GivenAway { transport: transport.clone(), received: Vec::new(), kept, news: None };
        let waits = || transport.0.load(Ordering::SeqCst);
        let left = give_away_by(given, &ConnInfo::default(), &service, |run| {
            drop(run);
            Err(ErrorKind::WouldBlock.into())
        });
        assert_eq!((dropped.load(Ordering::SeqCst), waits(), service.taken_over.open()), (0, 0, 1));
        drop(left.expect("all of it is left"));
        assert_eq!((dropped.load(Ordering::SeqCst), waits(), service.taken_over.open()), (1, 1, 0));
    }
}
