//! An identity provider's web server: the documents that a test lets it serve, and how often each
//! was asked for.

use std::{
    collections::HashMap,
    net::TcpStream,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{GUARD, either_way, frame::Role, peer::Peer, upstream::Door};

/// What is served under a path.
#[derive(Clone, Debug)]
pub enum Served {
    /// A document, as JSON.
    Json(Value),
    /// An answer with this status, no more.
    Status(u16),
    /// Nothing: the connection ends without an answer.
    Nothing,
    /// Nothing: the connection stays open without an answer.
    Silence,
    /// Nothing, until something else is served: that.
    Held,
    /// The bytes as they are.
    Raw(Vec<u8>),
}

/// The web server.
#[derive(Debug)]
pub struct Provider {
    door: Door,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    served: HashMap<String, Served>,
    asked: HashMap<String, usize>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Provider {
    /// On a free port of the loopback address; it has nothing to serve yet.
    pub fn start() -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let answering = Arc::clone(&shared);
        let door = Door::open(move |tcp| {
            let shared = Arc::clone(&answering);
            thread::spawn(move || answer(tcp, &shared));
        })?;
        Ok(Self { door, shared })
    }

    /// Its address, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.door.address)
    }

    /// Serves this under a path from now on.
    pub fn serve(&self, path: &str, served: Served) {
        self.shared.lock().served.insert(path.to_owned(), served);
        self.shared.changed.notify_all();
    }

    /// Serves a key set at `/jwks`, and the discovery document that names it.
    pub fn serve_keys(&self, jwks: Value) {
        let base = self.url();
        let document = json!({"issuer": base, "jwks_uri": format!("{base}/jwks")});
        self.serve("/jwks", Served::Json(jwks));
        self.serve("/.well-known/openid-configuration", Served::Json(document.clone()));
        self.serve("/.well-known/oauth-authorization-server", Served::Json(document));
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.shared.lock().asked.get(path).copied().unwrap_or(0)
    }

    /// Waits until a path was asked for so often.
    pub fn wait_asked(&self, path: &str, times: usize) -> Result<()> {
        let few = |state: &mut State| state.asked.get(path).copied().unwrap_or(0) < times;
        let (_state, waited) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), GUARD, few)
            .unwrap_or_else(PoisonError::into_inner);
        ensure!(!waited.timed_out(), "{path} was not asked for {times} times");
        Ok(())
    }
}

fn answer(tcp: TcpStream, shared: &Shared) {
    let Ok(mut peer) = Peer::plain(tcp, Role::Server) else { return };
    while let Ok(head) = peer.head() {
        let path = head.target().to_owned();
        let served = {
            let mut state = shared.lock();
            *state.asked.entry(path.clone()).or_default() += 1;
            shared.changed.notify_all();
            let held = |state: &mut State| matches!(state.served.get(&path), Some(Served::Held));
            let waited = shared.changed.wait_timeout_while(state, GUARD, held);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.served.get(&path).cloned().unwrap_or(Served::Status(404))
        };
        let (status, body) = match served {
            Served::Json(document) => (200, document.to_string()),
            Served::Status(status) => (status, String::new()),
            Served::Nothing | Served::Held => return,
            Served::Silence => {
                // Until the other side has had enough.
                either_way(peer.rest());
                return;
            }
            Served::Raw(bytes) => {
                // The other side may hang up on what it does not like.
                either_way(peer.send(bytes));
                return;
            }
        };
        let text = format!(
            "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if peer.send(text).is_err() {
            return;
        }
    }
}
