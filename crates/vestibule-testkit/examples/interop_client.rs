//! `tokio-tungstenite` as a client, for `interop/run`, which says what to do in its only argument.

use std::{io::Write as _, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Bytes, Error, Message,
        client::IntoClientRequest as _,
        http::{HeaderValue, Request},
        protocol::{
            CloseFrame,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

const GUARD: Duration = Duration::from_mins(1);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let argument = std::env::args().nth(1).context("no specification")?;
    let client = Client { spec: serde_json::from_str(&argument)? };
    tell("identity", client.asked("who", "alice").await)?;
    tell("text", client.text().await)?;
    tell("binary", client.echoed(Message::binary((0..=255).collect::<Vec<u8>>())).await)?;
    tell("fragments", client.fragments().await)?;
    tell("large", client.large().await)?;
    tell("ping", client.ping().await)?;
    tell("close", client.close().await)?;
    tell("closed", client.closed().await)?;
    tell("expiry", client.expiry().await)?;
    tell("refresh", client.refresh().await)?;
    tell("refused", client.refused().await)?;
    // This library knows no extension.
    say("compressed", "-")
}

fn tell(check: &str, outcome: Result<()>) -> Result<()> {
    match outcome {
        Ok(()) => say(check, "ok"),
        Err(error) => say(check, &format!("{error:#}")),
    }
}

fn say(check: &str, result: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{}", json!({"check": check, "result": result}))?;
    Ok(())
}

struct Client {
    spec: Value,
}

impl Client {
    fn of(&self, name: &str) -> &str {
        self.spec.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn request(&self, url: &str, token: &str) -> Result<Request<()>> {
        let mut request = url.into_client_request()?;
        let mut set = |name: &'static str, value: &str| -> Result<()> {
            request.headers_mut().insert(name, HeaderValue::from_str(value)?);
            Ok(())
        };
        set("sec-websocket-protocol", "chat")?;
        match self.of("carrier") {
            "header" => set("authorization", &format!("Bearer {token}"))?,
            "cookie" => {
                set("cookie", &format!("theme=dark; session={token}"))?;
                set("origin", self.of("origin"))?;
            }
            "subprotocol" => set("sec-websocket-protocol", &format!("chat, bearer, {token}"))?,
            _ => {}
        }
        Ok(request)
    }

    async fn open(&self, url: &str, token: &str) -> Result<Socket> {
        let connected = connect_async(self.request(url, token)?);
        let (mut socket, answer) = tokio::time::timeout(GUARD, connected).await??;
        let chosen = answer.headers().get("sec-websocket-protocol");
        ensure!(chosen.is_some_and(|chosen| chosen == "chat"), "subprotocol {chosen:?}");
        if self.of("carrier") == "message" {
            socket.send(in_band("authenticate", token)).await?;
            expect_auth(&mut socket, "accepted").await?;
        }
        Ok(socket)
    }

    async fn opened(&self) -> Result<Socket> {
        self.open(self.of("url"), self.of("token")).await
    }

    async fn asked(&self, question: &str, answer: &str) -> Result<()> {
        let mut socket = self.opened().await?;
        socket.send(Message::text(question)).await?;
        same(&next(&mut socket).await?, &Message::text(answer))
    }

    async fn echoed(&self, message: Message) -> Result<()> {
        let mut socket = self.opened().await?;
        socket.send(message.clone()).await?;
        same(&next(&mut socket).await?, &message)
    }

    async fn text(&self) -> Result<()> {
        for text in ["hello", "", "na\u{ef}ve \u{1f980}"] {
            self.echoed(Message::text(text)).await?;
        }
        Ok(())
    }

    async fn fragments(&self) -> Result<()> {
        let mut socket = self.opened().await?;
        for (text, kind, last) in [
            ("one, ", Data::Text, false),
            ("", Data::Continue, false),
            ("two", Data::Continue, true),
        ] {
            let frame =
                Frame::message(Bytes::from_static(text.as_bytes()), OpCode::Data(kind), last);
            socket.send(Message::Frame(frame)).await?;
        }
        same(&next(&mut socket).await?, &Message::text("one, two"))
    }

    async fn large(&self) -> Result<()> {
        self.echoed(Message::text("x".repeat(1 << 20))).await?;
        self.echoed(Message::binary(vec![0; 1 << 20])).await
    }

    async fn ping(&self) -> Result<()> {
        let mut socket = self.opened().await?;
        socket.send(Message::Ping(Bytes::from_static(b"there?"))).await?;
        same(&next(&mut socket).await?, &Message::Pong(Bytes::from_static(b"there?")))
    }

    async fn close(&self) -> Result<()> {
        let mut socket = self.opened().await?;
        let frame = CloseFrame { code: CloseCode::from(4321), reason: "goodbye".into() };
        socket.close(Some(frame)).await?;
        let (code, _) = closed_with(&mut socket).await?;
        ensure!(code == 4321, "closed with {code}");
        Ok(())
    }

    async fn closed(&self) -> Result<()> {
        let mut socket = self.opened().await?;
        socket.send(Message::text("close 4555")).await?;
        expect_close(&mut socket, 4555, "as you wish").await
    }

    async fn expiry(&self) -> Result<()> {
        let mut socket = self.open(self.of("url"), self.of("short")).await?;
        expect_close(&mut socket, 4401, "token_expired").await
    }

    async fn refresh(&self) -> Result<()> {
        let mut socket = self.open(self.of("band"), self.of("token")).await?;
        socket.send(in_band("refresh", self.of("another"))).await?;
        expect_auth(&mut socket, "accepted").await?;
        socket.send(Message::text("still here")).await?;
        same(&next(&mut socket).await?, &Message::text("still here"))
    }

    async fn refused(&self) -> Result<()> {
        let forged = self.of("forged");
        let connected = connect_async(self.request(self.of("url"), forged)?);
        match (tokio::time::timeout(GUARD, connected).await?, self.of("carrier")) {
            (Err(Error::Http(answer)), "header" | "subprotocol") => {
                ensure!(answer.status() == 401, "{}", answer.status());
                Ok(())
            }
            (Ok((mut socket, _)), "message") => {
                for _ in 0..3 {
                    socket.send(in_band("authenticate", forged)).await?;
                }
                expect_close(&mut socket, 4401, "invalid_token").await
            }
            (Ok((mut socket, _)), "cookie") => {
                expect_close(&mut socket, 4401, "invalid_token").await
            }
            (Ok(_), _) => bail!("it was let in"),
            (Err(error), _) => Err(error.into()),
        }
    }
}

fn in_band(kind: &str, token: &str) -> Message {
    let auth = json!({"auth": {"type": kind, "mechanism": "bearer", "token": token}});
    Message::text(auth.to_string())
}

async fn next(socket: &mut Socket) -> Result<Message> {
    let message = tokio::time::timeout(GUARD, socket.next()).await?;
    Ok(message.context("the end instead of a message")??)
}

async fn expect_auth(socket: &mut Socket, kind: &str) -> Result<()> {
    let message = next(socket).await?;
    let said: Value = serde_json::from_str(message.to_text()?)?;
    let seen = said.pointer("/auth/type").and_then(Value::as_str);
    ensure!(seen == Some(kind), "not {kind}: {message}");
    Ok(())
}

async fn closed_with(socket: &mut Socket) -> Result<(u16, String)> {
    loop {
        match next(socket).await? {
            Message::Close(Some(frame)) => {
                return Ok((frame.code.into(), frame.reason.to_string()));
            }
            Message::Close(None) => return Ok((1005, String::new())),
            // `rejected` and `expiring` may come before it.
            Message::Text(_) => {}
            other @ (Message::Binary(_)
            | Message::Ping(_)
            | Message::Pong(_)
            | Message::Frame(_)) => bail!("{other:?} instead of a close"),
        }
    }
}

async fn expect_close(socket: &mut Socket, code: u16, reason: &str) -> Result<()> {
    let seen = closed_with(socket).await?;
    ensure!(seen == (code, reason.to_owned()), "closed with {seen:?}");
    Ok(())
}

fn same(seen: &Message, wanted: &Message) -> Result<()> {
    ensure!(seen == wanted, "{} bytes instead of {}", seen.len(), wanted.len());
    Ok(())
}
