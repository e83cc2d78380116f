//! Listeners in the thread's epoll set.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    rc::Rc,
    task::{Poll, Waker, ready},
};

use mio::{
    Interest,
    net::{TcpListener, TcpStream},
};
use tokio::task::coop::poll_proceed;

use super::{Control, Relay, turn};

/// The listeners of a thread, by number.
#[derive(Default)]
pub(super) struct Doors(RefCell<Vec<Rc<Door>>>);

struct Door {
    /// Whether somebody may stand there. The kernel tells it once.
    knocked: Cell<bool>,
    waiter: Cell<Option<Waker>>,
}

/// A listener that is watched.
pub struct Listener {
    socket: TcpListener,
    door: Rc<Door>,
}

impl<C: Control> Relay<C> {
    /// Watches a listener, which must be non-blocking.
    pub fn listen(&self, mut socket: TcpListener) -> io::Result<Listener> {
        let door = Rc::new(Door { knocked: Cell::new(true), waiter: Cell::new(None) });
        let mut doors = self.doors.0.borrow_mut();
        self.registry.register(&mut socket, turn::listener(doors.len()), Interest::READABLE)?;
        doors.push(Rc::clone(&door));
        Ok(Listener { socket, door })
    }
}

impl Doors {
    /// Somebody came.
    pub(super) fn knock(&self, number: usize) {
        if let Some(door) = self.0.borrow().get(number) {
            door.knocked.set(true);
            if let Some(waiter) = door.waiter.take() {
                waiter.wake();
            }
        }
    }
}

impl Listener {
    /// Waits for a connection. One task at a time may. What it returns is non-blocking.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            let coop = ready!(poll_proceed(cx));
            if self.door.knocked.get() {
                match self.socket.accept() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.door.knocked.set(false);
                    }
                    other => {
                        coop.made_progress();
                        return Poll::Ready(other);
                    }
                }
            }
            self.door.waiter.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.socket).finish()
    }
}
