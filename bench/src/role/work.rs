//! Work without sockets, for counting its instructions: so many times the same.

use std::hint::black_box;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;
use vestibule_core::{
    authn::Envelope,
    relay::{ClientScanner, Extensions, Piece, Reserved, ServerScanner},
    time::UnixTime,
    wire::frame::{self, Opcode},
};
use vestibule_verify::{
    jwk::KeySet,
    jwt::{self, Algorithm, Expectations, Unverified},
    mint::Signer,
};

/// What is done, and how often.
#[derive(Debug, Args)]
pub struct Options {
    /// What is done.
    #[arg(long, value_enum)]
    kind: Kind,
    /// How often.
    #[arg(long)]
    count: u64,
}

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A message of 64 bytes is followed in both directions.
    Scan,
    /// A token is read and checked with HS256, which leaves the rest to us.
    Token,
    /// A message that carries a token is put together, and what goes on is found in it.
    Envelope,
}

impl Kind {
    /// As the option wants it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Token => "token",
            Self::Envelope => "envelope",
        }
    }
}

/// Does it.
pub fn run(options: &Options) -> Result<()> {
    match options.kind {
        Kind::Scan => scan(options.count),
        Kind::Token => token(options.count),
        Kind::Envelope => envelope(options.count),
    }
}

fn scan(count: u64) -> Result<()> {
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    frame::encode_client(Opcode::Text, &[b'x'; 64], [1, 2, 3, 4], &mut asked);
    frame::encode_server(Opcode::Text, &[b'x'; 64], &mut answered);
    let mut client = ClientScanner::new(Reserved::Yes, Extensions::None);
    let mut server = ServerScanner::new(Extensions::None);
    for _ in 0..count {
        let piece = client.scan(black_box(&asked))?;
        ensure!(piece == Piece::Forward(asked.len()), "an application's message passes");
        black_box(server.advance(black_box(&answered))?);
    }
    Ok(())
}

fn envelope(count: u64) -> Result<()> {
    // A token of the usual length, and 64 bytes.
    let (token, data) = ("t".repeat(300), format!("\"{}\"", "x".repeat(62)));
    let text = format!(r#"{{"auth":{{"token":"{token}"}},"data":{data}}}"#);
    let mut asked = Vec::new();
    frame::encode_client(Opcode::Text, text.as_bytes(), [1, 2, 3, 4], &mut asked);
    let mut client = ClientScanner::new(Reserved::Every { most: 64 * 1024 }, Extensions::None);
    for _ in 0..count {
        let mut rest: &[u8] = black_box(&asked);
        let text = loop {
            match client.scan(rest)? {
                Piece::Taken(count) => rest = rest.get(count..).unwrap_or_default(),
                Piece::Message(_, text) => break text,
                Piece::Forward(_) | Piece::Release(_) | Piece::Close(..) => {
                    bail!("a message is read whole")
                }
            }
        };
        let envelope = Envelope::parse(black_box(&text), 64 * 1024)?;
        ensure!(envelope.data == data.as_bytes(), "what is carried goes on");
    }
    Ok(())
}

fn token(count: u64) -> Result<()> {
    const SECRET: &[u8] = b"a-secret-of-the-benchmark-that-is-long-enough";
    let signer = Signer::from_secret(Algorithm::Hs256, SECRET)?;
    let claims = json!({
        "iss": "https://issuer.example/", "aud": "bench", "sub": "alice", "scope": "chat",
        "iat": 1000, "exp": 2000,
    });
    let token = signer.sign(Some("at+jwt"), &claims)?;
    let keys = KeySet::from_secret(SECRET).context("the secret")?;
    let mut expected = Expectations::new("https://issuer.example/", ["bench"]);
    expected.algorithms = [Algorithm::Hs256].into();
    for _ in 0..count {
        let refused = |refused: vestibule_verify::Refused| anyhow::anyhow!("{}", refused.reason);
        let unverified = Unverified::parse(black_box(token.as_bytes())).map_err(refused)?;
        let now = UnixTime::from_secs(1500);
        black_box(jwt::verify(&unverified, &keys, &expected, now).map_err(refused)?);
    }
    Ok(())
}
