//! From an issuer to the address of its keys: OpenID Connect Discovery 1.0 section 4, then RFC 8414
//! section 3. Only the configured issuer is asked, and it must call itself exactly that.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    address::{Address, AddressFault, DangerousHttp, Scheme},
    fetch::{FetchError, Fetcher},
    words,
};

/// An issuer whose metadata can be asked for.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    issuer: Box<str>,
    http: DangerousHttp,
    openid: Address,
    oauth: Address,
}

/// Where the keys are, and how long that holds.
#[derive(Debug)]
pub(crate) struct Discovered {
    pub(crate) keys: Address,
    pub(crate) max_age: Option<Duration>,
}

/// Why the keys were not found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error("no metadata of the issuer")]
    Fetch(#[source] FetchError),
    #[error("no metadata of the issuer; {}; {}", words::of(openid), words::of(oauth))]
    Nowhere { openid: FetchError, oauth: FetchError },
    #[error("the metadata at {address} cannot be read")]
    Malformed { address: Address, source: serde_json::Error },
    #[error(
        "the metadata at {address} are those of {found}, and {expected} is configured: both must \
         be the same to the byte"
    )]
    Issuer { address: Address, found: String, expected: String },
    #[error("the jwks_uri at {address} will not do: {found}")]
    Keys { address: Address, found: String, source: AddressFault },
}

impl DiscoveryError {
    /// Whether the provider could not be asked, as opposed to having answered something wrong.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Fetch(_) | Self::Nowhere { .. } => true,
            Self::Malformed { .. } | Self::Issuer { .. } | Self::Keys { .. } => false,
        }
    }
}

/// The two members that matter; others are ignored, these may not occur twice.
#[derive(Deserialize)]
struct Raw {
    issuer: String,
    jwks_uri: String,
}

impl Metadata {
    /// Both addresses of an issuer's metadata.
    pub(crate) fn of(issuer: &str, http: DangerousHttp) -> Result<Self, AddressFault> {
        let address = Address::parse(issuer, http)?;
        if issuer.contains('?') {
            return Err(AddressFault::Query);
        }
        let path = address.uri().path();
        let path = path.strip_suffix('/').unwrap_or(path);
        Ok(Self {
            openid: address.with_path(&format!("{path}/.well-known/openid-configuration"))?,
            oauth: address.with_path(&format!("/.well-known/oauth-authorization-server{path}"))?,
            issuer: issuer.into(),
            http,
        })
    }

    /// How the metadata are reached.
    pub(crate) fn scheme(&self) -> Scheme {
        self.openid.scheme()
    }

    /// Asks at the first address, and at the second where there is nothing at the first.
    pub(crate) async fn discover(&self, fetcher: &Fetcher) -> Result<Discovered, DiscoveryError> {
        let openid = match fetcher.get(&self.openid).await {
            Ok(document) => return self.read(&self.openid, &document.bytes, document.max_age),
            Err(error) if error.is_answer() => error,
            Err(error) => return Err(DiscoveryError::Fetch(error)),
        };
        match fetcher.get(&self.oauth).await {
            Ok(document) => self.read(&self.oauth, &document.bytes, document.max_age),
            Err(oauth) => Err(DiscoveryError::Nowhere { openid, oauth }),
        }
    }

    fn read(
        &self,
        address: &Address,
        bytes: &[u8],
        max_age: Option<Duration>,
    ) -> Result<Discovered, DiscoveryError> {
        let address = || address.clone();
        let Raw { issuer, jwks_uri } = serde_json::from_slice(bytes)
            .map_err(|source| DiscoveryError::Malformed { address: address(), source })?;
        if *issuer != *self.issuer {
            return Err(DiscoveryError::Issuer {
                address: address(),
                found: words::quote(&issuer),
                expected: words::quote(&self.issuer),
            });
        }
        let fault = |source| DiscoveryError::Keys {
            address: address(),
            found: words::quote(&jwks_uri),
            source,
        };
        let keys = Address::parse(&jwks_uri, self.http).map_err(fault)?;
        match (self.http, self.scheme(), keys.scheme()) {
            // What came over TLS must not lead to a place without, not even on this host.
            (DangerousHttp::Refused, Scheme::Https, Scheme::Http) => {
                Err(fault(AddressFault::Plain))
            }
            (DangerousHttp::Refused | DangerousHttp::Allowed, _, _) => {
                Ok(Discovered { keys, max_age })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(issuer: &str) -> Result<[String; 2], AddressFault> {
        let metadata = Metadata::of(issuer, DangerousHttp::Refused)?;
        Ok([metadata.openid.to_string(), metadata.oauth.to_string()])
    }

    #[test]
    fn one_address_appends_and_the_other_inserts() {
        for (issuer, openid, oauth) in [
            (
                "https://a.example",
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example/",
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example:8443/realms/one",
                "https://a.example:8443/realms/one/.well-known/openid-configuration",
                "https://a.example:8443/.well-known/oauth-authorization-server/realms/one",
            ),
            (
                "https://a.example/realms/one/",
                "https://a.example/realms/one/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server/realms/one",
            ),
        ] {
            assert_eq!(addresses(issuer).unwrap(), [openid, oauth], "{issuer}");
        }
        assert_eq!(addresses("https://a.example/?x"), Err(AddressFault::Query));
        assert_eq!(addresses("https://a.example/#x"), Err(AddressFault::Fragment));
        assert_eq!(addresses("http://a.example/"), Err(AddressFault::Plain));
    }

    fn read(issuer: &str, http: DangerousHttp, document: &str) -> Result<String, String> {
        let metadata = Metadata::of(issuer, http).unwrap();
        metadata
            .read(&metadata.openid, document.as_bytes(), None)
            .map(|found| found.keys.to_string())
            .map_err(|error| words::of(&error))
    }

    #[test]
    fn metadata_must_be_those_of_the_issuer_to_the_byte() {
        let document = |issuer: &str, keys: &str| {
            format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}","more":[]}}"#)
        };
        let read = |text: &str| read("https://a.example/", DangerousHttp::Refused, text);
        let keys = "https://keys.example/jwks";
        assert_eq!(read(&document("https://a.example/", keys)).unwrap(), keys);
        for issuer in ["https://a.example", "https://A.example/", "https://b.example/", ""] {
            assert!(read(&document(issuer, keys)).unwrap_err().contains("to the byte"), "{issuer}");
        }
        for keys in ["http://keys.example/", "http://127.0.0.1/", "jwks", "file:///etc/passwd"] {
            let error = read(&document("https://a.example/", keys)).unwrap_err();
            assert!(error.contains("jwks_uri"), "{keys}: {error}");
        }
        for text in [
            "",
            "[]",
            "<html>",
            r#"{"issuer":"https://a.example/"}"#,
            r#"{"issuer":"https://a.example/","issuer":"https://a.example/","jwks_uri":"https://k"}"#,
            r#"{"issuer":["https://a.example/"],"jwks_uri":"https://k"}"#,
        ] {
            assert!(read(text).unwrap_err().contains("cannot be read"), "{text}");
        }
    }

    #[test]
    fn keys_may_be_without_tls_where_the_issuer_is() {
        let text = r#"{"issuer":"http://127.0.0.1:1","jwks_uri":"http://127.0.0.1:2/"}"#;
        assert!(read("http://127.0.0.1:1", DangerousHttp::Refused, text).is_ok());
        let text = r#"{"issuer":"https://a","jwks_uri":"http://keys.example/"}"#;
        assert!(read("https://a", DangerousHttp::Allowed, text).is_ok());
    }
}
