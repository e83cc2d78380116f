//! Requests to the gateway's own endpoints, and what they answer.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use vestibule_testkit::{Gateway, Head};

/// A request to an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: &'static str,
    target: String,
    fields: Vec<(String, String)>,
    body: Option<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) head: Head,
    pub(crate) body: Value,
}

impl Ask {
    pub(crate) fn post(target: &str) -> Self {
        Self { method: "POST", target: target.to_owned(), fields: Vec::new(), body: None }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self { method: "GET", ..Self::post(target) }
    }

    pub(crate) fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.field("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.text("application/json", &body.to_string())
    }

    pub(crate) fn text(mut self, kind: &str, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self.field("Content-Type", kind)
    }

    pub(crate) fn bytes(&self) -> String {
        let Self { method, target, fields, body } = self;
        let mut out = format!("{method} {target} HTTP/1.1\r\nHost: ws.example.com\r\n");
        for (name, value) in fields {
            out = out + name + ": " + value + "\r\n";
        }
        let body = body.as_deref().unwrap_or_default();
        if *method == "POST" || !body.is_empty() {
            out = out + "Content-Length: " + &body.len().to_string() + "\r\n";
        }
        out + "Connection: close\r\n\r\n" + body
    }

    /// Asks the gateway.
    pub(crate) fn of(&self, gateway: &Gateway) -> Result<Said> {
        let mut peer = gateway.connect()?;
        peer.send(self.bytes())?;
        let head = peer.head()?;
        let body = if head.status() == 204 { String::new() } else { peer.body(&head)? };
        peer.end()?;
        let body = if body.is_empty() { Value::Null } else { serde_json::from_str(&body)? };
        Ok(Said { head, body })
    }
}

impl Said {
    /// What a good answer says.
    pub(crate) fn fine(self) -> Result<Value> {
        ensure!(matches!(self.head.status(), 200 | 204), "{} {}", self.head, self.body);
        ensure!(self.head.one("cache-control") == Some("no-store"), "{}", self.head);
        Ok(self.body)
    }

    /// A member of a good answer.
    pub(crate) fn text(self, member: &str) -> Result<String> {
        let body = self.fine()?;
        let text = body[member].as_str().with_context(|| format!("no {member}"))?;
        Ok(text.to_owned())
    }

    /// Status and error name of a refusal, whose form is checked.
    pub(crate) fn no(self) -> Result<(u16, String)> {
        let members: Vec<_> =
            self.body.as_object().map(|o| o.keys().cloned().collect()).unwrap_or_default();
        ensure!(members == ["error", "error_description"], "{} {}", self.head, self.body);
        let status = self.head.status();
        let challenges = self.head.all("www-authenticate");
        ensure!(status != 401 || !challenges.is_empty(), "{}", self.head);
        Ok((status, self.body["error"].as_str().unwrap_or_default().to_owned()))
    }
}

/// A refusal.
pub(crate) fn refused(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

/// Buys a ticket for the route under attack.
pub(crate) fn ticket(gateway: &Gateway, token: &str) -> Result<String> {
    let ask = Ask::post("/auth/ticket").bearer(token).json(&json!({ "path": "/ws" }));
    ask.of(gateway)?.text("ticket")
}
