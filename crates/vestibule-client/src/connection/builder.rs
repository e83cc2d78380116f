//! What can be chosen, and what is chosen without.

use core::{fmt, time::Duration};
use std::{collections::HashSet, sync::Arc};

use http::{HeaderName, HeaderValue};
use tokio::sync::watch;

use super::{
    Connection, Event, Failure, Observer, Phase, Resend, Resume, Takes,
    driver::{Ask, Driver, Parts},
    shared::Shared,
};
use crate::{
    auth::{Carrier, Proof, Provider, is_tchar},
    error::Error,
    handshake::{Address, Connector, Handshake, Security, Tls},
    limits, machine,
    machine::{Machine, Replacing, Settings, Verdict},
};

/// A plain connection: it authenticates and is refreshed, and when it ends, it has ended. Returns
/// once messages flow.
pub async fn connect(url: &str, provider: impl Provider) -> Result<Connection, Error> {
    Builder::new(url, provider)?.plain().connect().await
}

/// What a [`Connection`] is made of.
pub struct Builder {
    handshake: Handshake,
    tls: Option<Tls>,
    subprotocols: Vec<String>,
    carrier: Carrier,
    provider: Arc<dyn Ask>,
    settings: Settings,
    queue_bytes: usize,
    resend: Resend,
    resume: Resume,
    observer: Option<Observer>,
    wire: Wire,
}

/// Whether a credential may travel in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Secret,
    Clear,
}

impl Builder {
    /// To this URL, with credentials of this provider, and everything else as in
    /// [`limits`](crate::limits).
    pub fn new(url: &str, provider: impl Provider) -> Result<Self, Error> {
        let (proof, step_up) = (provider.proof(), provider.step_up());
        let settings = Settings { proof, step_up, ..Settings::default() };
        Ok(Self {
            handshake: Handshake::to(Address::parse(url)?),
            tls: None,
            subprotocols: Vec::new(),
            carrier: provider.carrier(),
            provider: Arc::new(provider),
            settings,
            queue_bytes: limits::QUEUE_BYTES,
            resend: Resend::Unsent,
            resume: Resume::BySession,
            observer: None,
            wire: Wire::Secret,
        })
    }

    /// Where the credential travels. Default: in the first message, unless the provider says
    /// otherwise.
    #[must_use]
    pub fn carrier(mut self, carrier: Carrier) -> Self {
        self.carrier = carrier;
        self
    }

    /// Offers one more subprotocol.
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// With an `Origin`. Programs need none, except for a cookie; with one, a refusal comes as a
    /// Close instead of an HTTP answer.
    #[must_use]
    pub fn origin(mut self, origin: HeaderValue) -> Self {
        self.handshake = self.handshake.origin(origin);
        self
    }

    /// With one more field in each handshake.
    #[must_use]
    pub fn field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.handshake = self.handshake.field(name, value);
        self
    }

    /// Which certificates count. Default: the system's.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Another way than TCP.
    #[must_use]
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.handshake = self.handshake.connector(Arc::new(connector));
        self
    }

    /// Longest message that is taken, in bytes. A longer one ends the connection, for good.
    #[must_use]
    pub fn message_bytes(mut self, most: usize) -> Self {
        self.handshake = self.handshake.message_bytes(most);
        self
    }

    /// An open connection that ends is not replaced. A credential that is refused before that still
    /// gets its one retry.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.settings.replacing = Replacing::Off;
        self
    }

    /// First and last ceiling of the time between two attempts. What is waited is random, from
    /// nothing up to a ceiling that doubles with each failure.
    #[must_use]
    pub fn backoff(mut self, base: Duration, max: Duration) -> Self {
        self.settings.base = base;
        self.settings.max = max;
        self
    }

    /// How long a connection must be open for the next back-off to begin anew.
    #[must_use]
    pub fn stable(mut self, span: Duration) -> Self {
        self.settings.stable = span;
        self
    }

    /// How many attempts may fail in a row. Default: 0, no bound.
    #[must_use]
    pub fn attempts(mut self, most: u32) -> Self {
        self.settings.attempts = most;
        self
    }

    /// What another close code means, for a route with `close_codes`.
    #[must_use]
    pub fn code(mut self, code: u16, verdict: Verdict) -> Self {
        self.settings.codes.retain(|(other, _)| *other != code);
        self.settings.codes.push((code, verdict));
        self
    }

    /// For TCP, TLS and the opening handshake, all together.
    #[must_use]
    pub fn connect_timeout(mut self, span: Duration) -> Self {
        self.settings.connect_timeout = span;
        self
    }

    /// For the provider, and again for the server's answer.
    #[must_use]
    pub fn auth_timeout(mut self, span: Duration) -> Self {
        self.settings.auth_timeout = span;
        self
    }

    /// How long a refusal may follow a handshake that carried the credential, before messages flow.
    /// Zero is fine where the route refuses by HTTP.
    #[must_use]
    pub fn settle(mut self, span: Duration) -> Self {
        self.settings.settle = span;
        self
    }

    /// Bytes that may wait to be sent; one message may cross the bound.
    #[must_use]
    pub fn queue_bytes(mut self, most: usize) -> Self {
        self.queue_bytes = most;
        self
    }

    /// What happens to what waits when there is a connection again.
    #[must_use]
    pub fn resend(mut self, resend: Resend) -> Self {
        self.resend = resend;
        self
    }

    /// How a lost connection is taken up again.
    #[must_use]
    pub fn resume(mut self, resume: Resume) -> Self {
        self.resume = resume;
        self
    }

    /// Tells what happens, in order. It is called by the task that keeps the connection, and must
    /// not block.
    #[must_use]
    pub fn on_event(mut self, observer: impl FnMut(&Event) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Allows `ws:` to other hosts than the loopback. A credential is good for whoever reads it on
    /// the way.
    #[must_use]
    pub fn dangerously_allow_insecure(mut self) -> Self {
        self.wire = Wire::Clear;
        self
    }

    /// Starts, and does not wait: what is sent meanwhile is queued. Must be called in a runtime of
    /// tokio's with time and I/O enabled.
    pub fn start(self) -> Result<Connection, Error> {
        let Self {
            mut handshake,
            tls,
            subprotocols,
            carrier,
            provider,
            mut settings,
            queue_bytes,
            resend,
            resume,
            observer,
            wire,
        } = self;
        match handshake.address().security() {
            Security::Plain if wire == Wire::Secret && !handshake.address().is_loopback() => {
                return Err(Error::Insecure);
            }
            Security::Plain => {}
            // Read once, and not for each connection.
            Security::Tls => handshake = handshake.tls(tls.map_or_else(Tls::system, Ok)?),
        }
        let legal = |name: &String| !name.is_empty() && name.bytes().all(is_tchar);
        let distinct: HashSet<&String> = subprotocols.iter().collect();
        if distinct.len() < subprotocols.len() || !subprotocols.iter().all(legal) {
            return Err(Error::Subprotocol);
        }
        for name in subprotocols {
            handshake = handshake.subprotocol(name);
        }
        settings.carrier = match carrier {
            Carrier::Message => machine::Carrier::Message,
            Carrier::Header | Carrier::Subprotocol | Carrier::Query { .. } | Carrier::Tls => {
                machine::Carrier::Handshake
            }
            Carrier::Cookie { .. } => machine::Carrier::Cookie,
            Carrier::PerMessage => machine::Carrier::PerMessage,
        };
        let takes = match carrier {
            Carrier::Message => Takes::NoControls,
            Carrier::PerMessage => Takes::Json,
            Carrier::Header
            | Carrier::Subprotocol
            | Carrier::Query { .. }
            | Carrier::Tls
            | Carrier::Cookie { .. } => Takes::Anything,
        };
        let resume = match settings.proof {
            Proof::Token | Proof::Connection => resume,
            // A session would be accepted without a challenge, by whoever is on the other side.
            Proof::Response => Resume::ByProvider,
        };
        let shared = Arc::new(Shared::new(queue_bytes));
        let (sender, phase) = watch::channel(Phase::Connecting);
        let driver = Driver::new(Parts {
            handshake: Arc::new(handshake),
            carrier,
            provider,
            machine: Machine::new(settings),
            resend,
            resume,
            observer,
            shared: Arc::clone(&shared),
            phase: sender,
        });
        let task = tokio::spawn(driver.run());
        Ok(Connection { shared, phase, task, takes, failure: Failure::Untold })
    }

    /// Starts, and waits until messages flow, or never will. Without a bound on attempts that may
    /// take as long as the server is away: it can be dropped at any time.
    pub async fn connect(self) -> Result<Connection, Error> {
        let mut connection = self.start()?;
        connection.opened().await?;
        Ok(connection)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            handshake,
            tls: _,
            subprotocols,
            carrier,
            provider: _,
            settings,
            queue_bytes,
            resend,
            resume,
            observer: _,
            wire: _,
        } = self;
        f.debug_struct("Builder")
            .field("handshake", handshake)
            .field("subprotocols", subprotocols)
            .field("carrier", carrier)
            .field("settings", settings)
            .field("queue_bytes", queue_bytes)
            .field("resend", resend)
            .field("resume", resume)
            .finish_non_exhaustive()
    }
}
