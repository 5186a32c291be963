//! What is no pool but shows where the limits are: channels without a place, and a thread per payload.
//!
//! A rendezvous is the least that a strict hand-off can cost: the payload passes from the submitter's hands into those
//! of a thread that waits for it, and nothing else is known (no count of workers, no order among them, no growing). A
//! thread per payload is what one has without any pool.

use super::{Pool, Shape, Strict, Work};
use crossbeam_channel::{Sender, TrySendError, bounded};
use std::sync::mpsc::{self, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// `std::sync::mpsc::sync_channel(0)`; its receivers take turns behind a mutex, as it allows only one.
#[derive(Debug)]
pub struct StdRendezvous<T> {
    sender: SyncSender<T>,
    receivers: Vec<JoinHandle<()>>,
}

impl<T: Work> Pool<T> for StdRendezvous<T> {
    fn start(shape: Shape) -> Self {
        let (sender, receiver) = sync_channel::<T>(0);
        let receiver = Arc::new(Mutex::new(receiver));
        let receive = || {
            let receiver = Arc::clone(&receiver);
            thread::spawn(move || {
                loop {
                    let payload = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(payload) = payload else { return };
                    payload.run();
                }
            })
        };
        let receivers = (0..shape.workers).map(|_| receive()).collect();
        Self { sender, receivers }
    }

    fn submit(&self, payload: T) {
        assert!(self.sender.send(payload).is_ok(), "the receivers wait until the channel is closed");
    }

    fn stop(self) {
        drop(self.sender);
        join(self.receivers);
    }
}

impl<T: Work> Strict<T> for StdRendezvous<T> {
    fn try_submit(&self, payload: T) -> Result<(), T> {
        self.sender.try_send(payload).map_err(|refused| match refused {
            mpsc::TrySendError::Full(payload) | mpsc::TrySendError::Disconnected(payload) => payload,
        })
    }
}

/// `crossbeam_channel::bounded(0)`, received from by all threads.
#[derive(Debug)]
pub struct CrossbeamRendezvous<T> {
    sender: Sender<T>,
    receivers: Vec<JoinHandle<()>>,
}

impl<T: Work> Pool<T> for CrossbeamRendezvous<T> {
    fn start(shape: Shape) -> Self {
        let (sender, receiver) = bounded::<T>(0);
        let receive = || {
            let receiver = receiver.clone();
            thread::spawn(move || receiver.iter().for_each(T::run))
        };
        let receivers = (0..shape.workers).map(|_| receive()).collect();
        Self { sender, receivers }
    }

    fn submit(&self, payload: T) {
        assert!(self.sender.send(payload).is_ok(), "the receivers wait until the channel is closed");
    }

    fn stop(self) {
        drop(self.sender);
        join(self.receivers);
    }
}

impl<T: Work> Strict<T> for CrossbeamRendezvous<T> {
    fn try_submit(&self, payload: T) -> Result<(), T> {
        self.sender.try_send(payload).map_err(|refused| match refused {
            TrySendError::Full(payload) | TrySendError::Disconnected(payload) => payload,
        })
    }
}

/// A new thread for every payload, and a semaphore that bounds how many there are.
#[derive(Debug)]
pub struct ThreadPerPayload {
    permits: Arc<Semaphore>,
    all: usize,
}

impl<T: Work> Pool<T> for ThreadPerPayload {
    fn start(shape: Shape) -> Self {
        Self { permits: Arc::new(Semaphore::of(shape.workers)), all: shape.workers }
    }

    fn submit(&self, payload: T) {
        self.permits.take();
        let permits = Arc::clone(&self.permits);
        let body = move || {
            payload.run();
            permits.put();
        };
        drop(thread::Builder::new().spawn(body).expect("the system allows one more thread"));
    }

    fn stop(self) {
        (0..self.all).for_each(|_| self.permits.take());
    }
}

#[derive(Debug)]
struct Semaphore {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Semaphore {
    fn of(permits: usize) -> Self {
        Self { free: Mutex::new(permits), freed: Condvar::new() }
    }

    fn take(&self) {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
    }

    fn put(&self) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.freed.notify_one();
    }
}

fn join(receivers: Vec<JoinHandle<()>>) {
    for receiver in receivers {
        receiver.join().expect("receiving does not panic");
    }
}
