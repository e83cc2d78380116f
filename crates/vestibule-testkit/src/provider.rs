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

use crate::{GUARD, either_way, frame::Role, head::Head, peer::Peer, upstream::Door};

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
    /// What was said about the token that the form names ([`Provider::issue`]); any other is
    /// inactive.
    Tokens,
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
    tokens: HashMap<String, Value>,
    about: HashMap<String, usize>,
    last: HashMap<String, (Head, String)>,
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

    /// Says this about a token from now on, where tokens are served.
    pub fn issue(&self, token: &str, said: Value) {
        self.shared.lock().tokens.insert(token.to_owned(), said);
    }

    /// Says of a token that it is not active.
    pub fn withdraw(&self, token: &str) {
        self.shared.lock().tokens.remove(token);
    }

    /// How often a token was asked about.
    pub fn asked_about(&self, token: &str) -> usize {
        self.shared.lock().about.get(token).copied().unwrap_or(0)
    }

    /// Waits until a token was asked about so often.
    pub fn wait_asked_about(&self, token: &str, times: usize) -> Result<()> {
        self.wait(|state| state.about.get(token).copied().unwrap_or(0) >= times)
            .map_err(|error| error.context(format!("asked {times} times about {token}")))
    }

    /// The last request for a path: its head and its body.
    pub fn last(&self, path: &str) -> Option<(Head, String)> {
        self.shared.lock().last.get(path).cloned()
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.shared.lock().asked.get(path).copied().unwrap_or(0)
    }

    /// Waits until a path was asked for so often.
    pub fn wait_asked(&self, path: &str, times: usize) -> Result<()> {
        self.wait(|state| state.asked.get(path).copied().unwrap_or(0) >= times)
            .map_err(|error| error.context(format!("{path} asked for {times} times")))
    }

    fn wait(&self, enough: impl Fn(&State) -> bool) -> Result<()> {
        let few = |state: &mut State| !enough(state);
        let (_state, waited) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), GUARD, few)
            .unwrap_or_else(PoisonError::into_inner);
        ensure!(!waited.timed_out(), "not within {GUARD:?}");
        Ok(())
    }
}

fn answer(tcp: TcpStream, shared: &Shared) {
    let Ok(mut peer) = Peer::plain(tcp, Role::Server) else { return };
    while let Ok(head) = peer.head() {
        let path = head.target().to_owned();
        let body = match head.one("content-length") {
            Some(_) => peer.body(&head).unwrap_or_default(),
            None => String::new(),
        };
        let token = token(&body);
        let served = {
            let mut state = shared.lock();
            *state.asked.entry(path.clone()).or_default() += 1;
            *state.about.entry(token.clone()).or_default() += 1;
            state.last.insert(path.clone(), (head, body));
            shared.changed.notify_all();
            let held = |state: &mut State| matches!(state.served.get(&path), Some(Served::Held));
            let waited = shared.changed.wait_timeout_while(state, GUARD, held);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.served.get(&path).cloned().unwrap_or(Served::Status(404))
        };
        let (status, body) = match served {
            Served::Json(document) => (200, document.to_string()),
            Served::Status(status) => (status, String::new()),
            Served::Tokens => {
                let said = shared.lock().tokens.get(&token).cloned();
                (200, said.unwrap_or_else(|| json!({ "active": false })).to_string())
            }
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

/// The `token` of a form; nothing where there is none. Tokens of tests need no decoding.
fn token(form: &str) -> String {
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(name, _)| *name == "token").map(|(_, value)| value);
    values.next().unwrap_or_default().to_owned()
}
