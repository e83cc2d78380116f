//! The tables of the file.

use super::keys::{KEYS, Key};

/// A table of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `[server]`
    Server,
    /// `[log]`
    Log,
    /// `[[issuers]]`
    Issuers,
    /// `[[certificates]]`
    Certificates,
    /// `[[routes]]`
    Routes,
    /// `[store]`
    Store,
    /// `[auth]`
    Auth,
    /// `[admin]`
    Admin,
    /// `server.tls`
    Tls,
    /// `[auth.webauthn]`
    Webauthn,
    /// `routes.step_up`
    StepUp,
}

impl Section {
    /// Those at the top level, in the order of the file.
    pub const TOP: &'static [Self] = &[
        Self::Server,
        Self::Log,
        Self::Issuers,
        Self::Certificates,
        Self::Routes,
        Self::Store,
        Self::Auth,
        Self::Admin,
    ];

    /// The key of the section.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Log => "log",
            Self::Issuers => "issuers",
            Self::Certificates => "certificates",
            Self::Routes => "routes",
            Self::Store => "store",
            Self::Auth => "auth",
            Self::Admin => "admin",
            Self::Tls => "tls",
            Self::Webauthn => "webauthn",
            Self::StepUp => "step_up",
        }
    }

    /// As it is written above its keys.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Server => "[server]",
            Self::Log => "[log]",
            Self::Issuers => "[[issuers]]",
            Self::Certificates => "[[certificates]]",
            Self::Routes => "[[routes]]",
            Self::Store => "[store]",
            Self::Auth => "[auth]",
            Self::Admin => "[admin]",
            Self::Tls => "[server.tls]",
            Self::Webauthn => "[auth.webauthn]",
            Self::StepUp => "[routes.step_up]",
        }
    }

    /// Whether there may be several.
    pub const fn shape(self) -> Shape {
        match self {
            Self::Server
            | Self::Log
            | Self::Store
            | Self::Auth
            | Self::Admin
            | Self::Tls
            | Self::Webauthn
            | Self::StepUp => Shape::Once,
            Self::Issuers | Self::Certificates | Self::Routes => Shape::Many,
        }
    }

    /// What it is for.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Server => "The public side: where clients connect.",
            Self::Log => "What is written to standard error.",
            Self::Issuers => {
                "Who is trusted to say who somebody is. One table for each issuer of tokens; at \
                 least one, but with `[auth]` or `[[certificates]]`."
            }
            Self::Certificates => {
                "Whom clients' certificates name, where the gateway ends TLS (`client_ca` in \
                 `[server.tls]`). One table for each kind of name; the first one of a route that \
                 takes a certificate says whose it is."
            }
            Self::Routes => {
                "What is served, and to whom. One table for each path; at least one. A route is for \
                 its path and everything below it; the longest path that matches wins."
            }
            Self::Store => {
                "Where users, API keys, sessions and revocations are kept. Without this section it \
                 is a file beside the configuration where there is `[auth]` or `[admin]`, else \
                 memory."
            }
            Self::Auth => {
                "The gateway's own identities: users who sign in, tickets, sessions, API keys, and \
                 the endpoints for them. Without this section there are none. Its own tokens are \
                 those of the issuer `local`."
            }
            Self::Admin => {
                "The operator's side: metrics, health and the admin API over HTTP. Without this \
                 section nothing listens."
            }
            Self::Tls => "The certificate of the public side.",
            Self::Webauthn => {
                "Passkeys: what the gateway is to the authenticators of its users. Without this \
                 section nobody can register or use one."
            }
            Self::StepUp => {
                "A second proof of the same identity, from whoever came in by another mechanism. Once \
                 somebody is in, the client is told `required`; data flows meanwhile; without the \
                 proof in time the connection is closed with 4403 `step_up_required`. The upstream \
                 is not told."
            }
        }
    }

    /// Its keys, in the order of the file.
    pub fn keys(self) -> impl Iterator<Item = &'static Key> {
        KEYS.iter().filter(move |key| key.section == self)
    }
}

/// How often a section may stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// At the most once.
    Once,
    /// As an array of tables.
    Many,
}
