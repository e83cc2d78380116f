//! One gateway, one issuer, one upstream, in the hands of one test.

use std::path::Path;

use anyhow::ensure;
use serde_json::Value;
use vestibule_testkit::{Gateway, Handshake, Head, Issuer, Message, Peer, Setup, Upstream};

/// What a test returns.
pub(crate) type Outcome = anyhow::Result<()>;

/// The page that every route of a rig allows, beside its own host.
pub(crate) const PAGE: &str = "https://app.example.com";

/// A line for a route that allows the pages of its own host alone, which is the default.
pub(crate) const OWN_HOST: &str = "# the own host\n";

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_vestibule"))
}

/// One gateway, one issuer, one upstream. The route under attack is `/ws`; `/honest` takes tokens
/// in the header alone, and serves to show who reached the upstream first.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) gateway: Gateway,
    pub(crate) upstream: Upstream,
    pub(crate) issuer: Issuer,
    pub(crate) setup: Setup,
}

impl Rig {
    /// With these lines in the route.
    pub(crate) fn new(route: &str) -> anyhow::Result<Self> {
        Self::with(route, |setup| setup)
    }

    /// With these lines in the route, and a setup that was changed.
    pub(crate) fn with(route: &str, change: impl FnOnce(Setup) -> Setup) -> anyhow::Result<Self> {
        let issuer = Issuer::new("https://id.example.com")?;
        let upstream = Upstream::start()?;
        let origins = if route.contains("origins") || route.contains(OWN_HOST) {
            String::new()
        } else {
            format!("origins = [{PAGE:?}]\n")
        };
        let setup = Setup::new()?
            .issuer("idp", &issuer, "clock_skew = \"0s\"")?
            .route("/ws", &format!("{}/ws", upstream.url()), &format!("{origins}{route}"))
            .route("/honest", &format!("{}/honest", upstream.url()), "accept = [\"header\"]");
        let setup = change(setup);
        let gateway = setup.start(binary())?;
        Ok(Self { gateway, upstream, issuer, setup })
    }

    /// A good token of Alice's.
    pub(crate) fn token(&self) -> anyhow::Result<String> {
        self.issuer.token("alice")
    }

    /// A client that has sent this handshake.
    pub(crate) fn send(&self, handshake: &Handshake) -> anyhow::Result<Peer> {
        let mut client = self.gateway.connect()?;
        client.send(handshake.bytes())?;
        Ok(client)
    }

    /// A handshake to the route under attack, with a good token in the header.
    pub(crate) fn good(&self) -> anyhow::Result<Handshake> {
        Ok(Handshake::to("/ws").bearer(&self.token()?))
    }

    /// Both ends of a connection that this handshake opens.
    pub(crate) fn open(&self, handshake: &Handshake) -> anyhow::Result<(Peer, Peer)> {
        let mut client = self.send(handshake)?;
        let (upstream, _) = self.upstream.switch("")?;
        client.expect_switch()?;
        Ok((client, upstream))
    }

    /// The same, and what the upstream was asked.
    pub(crate) fn asked(&self, handshake: &Handshake) -> anyhow::Result<Head> {
        let mut client = self.send(handshake)?;
        let (_upstream, head) = self.upstream.switch("")?;
        client.expect_switch()?;
        Ok(head)
    }

    /// A client that was let in to say who it is, and has not done so.
    pub(crate) fn wait_at_the_door(&self) -> anyhow::Result<Peer> {
        let mut client = self.send(&Handshake::to("/ws"))?;
        client.expect_switch()?;
        Ok(client)
    }

    /// Both ends of a connection that a first message opens; `accepted` was read.
    pub(crate) fn open_by_message(&self, token: &str) -> anyhow::Result<(Peer, Peer)> {
        let mut client = self.wait_at_the_door()?;
        client.authenticate(token)?;
        let (upstream, _) = self.upstream.switch("")?;
        client.expect_auth("accepted")?;
        Ok((client, upstream))
    }

    /// Checks that nobody has reached the upstream: the first to do so is an honest client that
    /// connects now.
    pub(crate) fn expect_undialled(&self) -> Outcome {
        let token = self.issuer.token("honest")?;
        let mut client = self.send(&Handshake::to("/honest").bearer(&token))?;
        let (_upstream, head) = self.upstream.switch("")?;
        ensure!(head.target() == "/honest", "somebody else was there first: {head}");
        client.expect_switch()?;
        ensure!(self.upstream.count() == 1, "{} connections", self.upstream.count());
        Ok(())
    }
}

/// How a client was told no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum No {
    /// By an HTTP answer: status and error name.
    Http(u16, String),
    /// By a Close after the upgrade: code and reason.
    Close(u16, String),
}

impl No {
    /// The error's name.
    pub(crate) fn error(&self) -> &str {
        match self {
            Self::Http(_, error) | Self::Close(_, error) => error,
        }
    }
}

/// The two ways to write one down.
pub(crate) fn http(status: u16, error: &str) -> No {
    No::Http(status, error.to_owned())
}

pub(crate) fn close(code: u16, reason: &str) -> No {
    No::Close(code, reason.to_owned())
}

/// Reads how a client was told no. Everything about the answer that is always the same is checked.
pub(crate) fn no(client: &mut Peer) -> anyhow::Result<No> {
    let head = client.head()?;
    if head.status() == 101 {
        return closed(client);
    }
    let connection = head.one("connection").unwrap_or_default();
    ensure!(connection.ends_with("close"), "stays open: {head}");
    ensure!(head.one("content-type") == Some("application/json"), "not JSON: {head}");
    let body = client.body(&head)?;
    let body: Value = serde_json::from_str(&body)?;
    let members: Vec<_> = body.as_object().map(|o| o.keys().cloned().collect()).unwrap_or_default();
    ensure!(members == ["error", "error_description"], "members: {members:?}");
    client.end()?;
    let error = body["error"].as_str().unwrap_or_default();
    check_challenge(&head, error)?;
    Ok(http(head.status(), error))
}

/// RFC 6750 section 3: a challenge on every 401, and an error only where a credential was there.
fn check_challenge(head: &Head, error: &str) -> Outcome {
    let challenge = head.one("www-authenticate");
    match (head.status(), error, challenge) {
        (401, "credential_required", Some(value)) => {
            ensure!(value.starts_with("Bearer") && !value.contains("error="), "{value}");
        }
        (401, _, Some(value)) => {
            ensure!(value.starts_with("Bearer") && value.contains("error="), "{value}");
        }
        (401, _, None) => anyhow::bail!("a 401 without a challenge: {head}"),
        (_, _, _) => {}
    }
    Ok(())
}

/// Reads how a client that has its 101 was told no.
pub(crate) fn closed(client: &mut Peer) -> anyhow::Result<No> {
    match client.message()? {
        Message::Close(code, reason) => {
            client.send_frame(&vestibule_testkit::Frame::close(code, ""))?;
            client.end()?;
            Ok(close(code, &reason))
        }
        other => anyhow::bail!("not a close: {other:?}"),
    }
}

/// Sends a text through and back, and with it shows that both directions work.
pub(crate) fn converse(client: &mut Peer, upstream: &mut Peer, text: &str) -> Outcome {
    client.send_text(text)?;
    upstream.expect_text(text)?;
    upstream.send_text(text)?;
    client.expect_text(text)
}
