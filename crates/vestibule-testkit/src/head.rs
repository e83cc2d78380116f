//! Heads of HTTP/1.1 messages, as they were written: nothing is folded, merged or corrected.

use std::fmt;

use anyhow::{Context, Result, ensure};

/// The head of a request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The first line.
    pub start: String,
    /// The fields, in their order.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Reads a head, without its blank line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .filter(|line| !line.is_empty())
            .map(|line| {
                let (name, value) = line.split_once(':').context("a field without a colon")?;
                ensure!(!name.is_empty() && !name.contains([' ', '\t']), "field name {name:?}");
                Ok((name.to_owned(), value.trim().to_owned()))
            })
            .collect::<Result<_>>()?;
        Ok(Self { start, fields })
    }

    /// The status of an answer; 0 where there is none.
    pub fn status(&self) -> u16 {
        let mut words = self.start.split(' ');
        match (words.next(), words.next()) {
            (Some("HTTP/1.1"), Some(code)) => code.parse().unwrap_or(0),
            (_, _) => 0,
        }
    }

    /// The target of a request.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let is_it = |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.fields.iter().filter(is_it).map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of a field; `None` where there is none, or more than one.
    pub fn one(&self, name: &str) -> Option<&str> {
        match self.all(name).as_slice() {
            [value] => Some(value),
            [] | [_, _, ..] => None,
        }
    }

    /// Whether the text occurs anywhere, in any case.
    pub fn mentions(&self, text: &str) -> bool {
        self.to_string().to_ascii_lowercase().contains(&text.to_ascii_lowercase())
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.start)?;
        self.fields.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))
    }
}

/// The `Sec-WebSocket-Accept` that belongs to a key (RFC 6455 section 4.2.2).
pub fn accept_of(key: &str) -> String {
    tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes())
}

/// A client's opening handshake, right unless a test makes it wrong.
#[derive(Clone, Debug)]
pub struct Handshake {
    start: String,
    fields: Vec<(String, String)>,
}

impl Handshake {
    /// The key that is sent.
    pub const KEY: &'static str = "dGhlIHNhbXBsZSBub25jZQ==";

    /// What RFC 6455 section 4.1 asks for.
    pub fn to(target: &str) -> Self {
        let fields = [
            ("Host", "localhost"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", Self::KEY),
            ("Sec-WebSocket-Version", "13"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { start: format!("GET {target} HTTP/1.1"), fields }
    }

    /// With another first line.
    #[must_use]
    pub fn start(mut self, line: &str) -> Self {
        line.clone_into(&mut self.start);
        self
    }

    /// With one more field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(there, _)| !there.eq_ignore_ascii_case(name));
        self
    }

    /// With this value of a field, in its place.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).field(name, value)
    }

    /// With a token in `Authorization`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.field("Authorization", &format!("Bearer {token}"))
    }

    /// As a page of this origin would send it.
    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.field("Origin", origin)
    }

    /// With these subprotocols, in one field.
    #[must_use]
    pub fn subprotocols(self, list: &str) -> Self {
        self.field("Sec-WebSocket-Protocol", list)
    }

    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.fields {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}
