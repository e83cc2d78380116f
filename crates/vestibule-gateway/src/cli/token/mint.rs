//! `vestibule token mint`: makes a token.

use std::{
    path::{Path, PathBuf},
    str,
    time::Duration,
};

use clap::Args;
use serde_json::{Map, Value};
use vestibule_core::time::UnixTime;
use vestibule_verify::{
    jwt::Algorithm,
    mint::{MintFault, Signer},
};

use super::{CommandError, Exit, World, algorithm, key_file, secret_file, times};

/// Options of `vestibule token mint`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    keys: Keys,
    /// The algorithm; without it the usual one for the key, and HS256 for a secret
    #[arg(long, value_name = "NAME", value_parser = algorithm)]
    alg: Option<Algorithm>,
    /// Who it is about (`sub`); a gateway refuses a token without
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Who vouches (`iss`)
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
    /// Whom it is for (`aud`); may be repeated, or separated by commas
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    audience: Vec<String>,
    /// What it allows (`scope`); may be repeated
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// How long it counts: 5m, 1h, or seconds
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = times::span)]
    expires_in: Duration,
    /// Another claim, or another value for one of the above: --claim 'admin=true'
    ///
    /// The value is JSON: a string has quotes of its own, --claim 'name="Alice"'. May be repeated.
    #[arg(long, value_name = "NAME=JSON", value_parser = claim)]
    claim: Vec<(String, Value)>,
    /// The name of the key in the header; without it the key's thumbprint, and none for a secret
    #[arg(long, value_name = "NAME")]
    kid: Option<String>,
    /// The header's `typ`; '' for none
    #[arg(long, value_name = "TYPE", default_value = "at+jwt")]
    typ: String,
    /// Make it as if it were this time: seconds since 1970, or RFC 3339; without it, the real time
    #[arg(long, value_name = "TIME", value_parser = times::date, allow_negative_numbers = true)]
    now: Option<UnixTime>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Keys {
    /// The secret for HS256, HS384, HS512: the file's bytes, less one newline at the end
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// The private key: PKCS#8 in PEM, or a JWK
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Makes a token.
pub(super) fn run(options: &Options, world: &mut World<'_>) -> Result<Exit, CommandError> {
    let signer = options.keys.load(options.alg)?;
    let signer = match &options.kid {
        Some(kid) => signer.with_kid(kid),
        None => signer,
    };
    let typ = Some(options.typ.as_str()).filter(|typ| !typ.is_empty());
    let claims = options.claims(world.now)?;
    let token = signer
        .sign(typ, &Value::Object(claims))
        .map_err(|fault| CommandError::Other(fault.to_string()))?;
    writeln!(world.output, "{token}")?;
    world.output.flush()?;
    Ok(Exit::Fine)
}

impl Keys {
    fn load(&self, algorithm: Option<Algorithm>) -> Result<Signer, CommandError> {
        let Self { secret, key } = self;
        match (secret, key) {
            (Some(path), _) => {
                let algorithm = algorithm.unwrap_or(Algorithm::Hs256);
                let secret = secret_file(path)?;
                Signer::from_secret(algorithm, &secret)
                    .map_err(|fault| CommandError::file(path, &fault))
            }
            (None, Some(path)) => private_key(path, algorithm),
            (None, None) => Err(CommandError::Usage("give --secret or --key".to_owned())),
        }
    }
}

fn private_key(path: &Path, algorithm: Option<Algorithm>) -> Result<Signer, CommandError> {
    let refuse = |fault: MintFault| CommandError::file(path, &fault);
    let bytes = key_file(path)?;
    if bytes.trim_ascii_start().starts_with(b"{") {
        let signer = Signer::from_jwk(&bytes).map_err(refuse)?;
        return match algorithm {
            Some(wanted) if wanted != signer.algorithm() => {
                let name = signer.algorithm().name();
                Err(CommandError::file(path, &format_args!("the key is for {name}")))
            }
            Some(_) | None => Ok(signer),
        };
    }
    let pem = str::from_utf8(&bytes).map_err(|_| refuse(MintFault::NotPkcs8Pem))?;
    if let Some(algorithm) = algorithm {
        return Signer::from_pem(algorithm, pem).map_err(refuse);
    }
    // The key does not say what it is for; its kind has one usual algorithm.
    let usual = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256];
    let mut last = MintFault::WrongKey;
    for algorithm in usual {
        match Signer::from_pem(algorithm, pem) {
            Ok(signer) => return Ok(signer),
            Err(fault) => last = fault,
        }
    }
    Err(refuse(last))
}

impl Options {
    fn claims(&self, real: UnixTime) -> Result<Map<String, Value>, CommandError> {
        let now = self.now.unwrap_or(real);
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("iat", now.as_secs().into());
        set("exp", now.after(self.expires_in).as_secs().into());
        // A token without a name of its own cannot be withdrawn by name.
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id)
            .map_err(|_| CommandError::Other("no random numbers".to_owned()))?;
        set("jti", format!("{:032x}", u128::from_be_bytes(id)).into());
        if let Some(subject) = &self.subject {
            set("sub", subject.as_str().into());
        }
        if let Some(issuer) = &self.issuer {
            set("iss", issuer.as_str().into());
        }
        match self.audience.as_slice() {
            [] => {}
            [only] => drop(set("aud", only.as_str().into())),
            several => drop(set("aud", several.to_vec().into())),
        }
        if !self.scope.is_empty() {
            set("scope", self.scope.join(" ").into());
        }
        for (name, value) in &self.claim {
            set(name, value.clone());
        }
        Ok(claims)
    }
}

/// Reads `name=json`.
fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, json) = text.split_once('=').ok_or("write NAME=JSON")?;
    let value = serde_json::from_str(json)
        .map_err(|error| format!("{error}; a string has quotes of its own: {name}='\"…\"'"))?;
    Ok((name.to_owned(), value))
}
