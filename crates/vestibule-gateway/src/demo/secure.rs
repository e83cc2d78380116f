//! A second gateway, which ends TLS: for what takes a certificate, and no browser can show without
//! being told to trust ours. Authority, certificates and keys are made anew at each start.

use std::{
    io,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, string::Ia5String,
};

use super::{Places, configuration::SCOPE, people::Folder};

/// The name in the client's certificate.
const MACHINE: &str = "spiffe://vestibule.example/machine/7";
/// Names that count.
const MACHINES: &str = "spiffe://vestibule.example/machine/*";

/// The files.
#[derive(Clone, Debug)]
pub(super) struct Files(PathBuf);

impl Files {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The certificate of the authority, of the gateway and its client alike.
    pub(super) fn authority(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The client's certificate.
    pub(super) fn client(&self) -> PathBuf {
        self.0.join("machine.pem")
    }

    /// The client's key.
    pub(super) fn client_key(&self) -> PathBuf {
        self.0.join("machine.key")
    }

    /// The token of the second gateway's admin API.
    pub(super) fn token(&self) -> PathBuf {
        self.0.join("secure-admin.token")
    }

    fn server(&self) -> PathBuf {
        self.0.join("server.pem")
    }

    fn server_key(&self) -> PathBuf {
        self.0.join("server.key")
    }

    /// Makes them all.
    pub(super) fn make(&self) -> io::Result<()> {
        let authority = authority().map_err(io::Error::other)?;
        Folder::write(&self.authority(), &authority.pem())?;
        let name = |text: &str| Ia5String::try_from(text.to_owned());
        let server = name("localhost").map(SanType::DnsName).map_err(io::Error::other)?;
        let machine = name(MACHINE).map(SanType::URI).map_err(io::Error::other)?;
        for (san, purpose, paths) in [
            (server, ExtendedKeyUsagePurpose::ServerAuth, [self.server(), self.server_key()]),
            (machine, ExtendedKeyUsagePurpose::ClientAuth, [self.client(), self.client_key()]),
        ] {
            let texts = signed(&authority, san, purpose).map_err(io::Error::other)?;
            for (path, text) in paths.iter().zip(&texts) {
                Folder::write(path, text)?;
            }
        }
        Ok(())
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Result<Authority, rcgen::Error> {
    let mut params = CertificateParams::new([])?;
    params.distinguished_name.push(DnType::CommonName, "Vestibule demo");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

/// A certificate and its key.
fn signed(
    authority: &Authority,
    name: SanType,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<[String; 2], rcgen::Error> {
    let mut params = CertificateParams::new([])?;
    params.subject_alt_names = vec![name];
    params.extended_key_usages = vec![purpose];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok([certificate.pem(), key.serialize_pem()])
}

/// The text of its configuration file.
pub(super) fn text(places: &Places, log: &str, folder: &Path) -> String {
    let Places { page, upstream, secure, secure_admin, .. } = places;
    let [upstream, listen, admin] = [upstream, secure, secure_admin].map(|place| place.address());
    let files = Files::new(folder.to_owned());
    let [ca, cert, key, token] =
        [files.authority(), files.server(), files.server_key(), files.token()]
            .map(|path| format!("{:?}", path.display().to_string()));
    format!(
        r#"# The configuration of the second gateway of `vestibule demo`, which ends TLS.

[server]
listen = "{listen}"
tls = {{ cert = {cert}, key = {key}, client_ca = {ca} }}
drain = "0s"

[log]
level = "{log}"

[admin]
listen = "{admin}"
token_file = {token}

[store]
backend = "memory"

# Users, for proofs that are bound to the TLS connection.
[auth]

# Whom the certificates of clients name.
[[certificates]]
name = "machines"
subject_from = "san-uri"
allowed = ["{MACHINES}"]
scopes = ["{SCOPE}"]

# The same chat for machines. A browser shows a certificate to any page, so an origin is asked for.
[[routes]]
path = "/machines"
upstream = "ws://{upstream}"
origins = ["https://{secure}", "http://{page}"]
accept = ["tls"]
mechanisms = ["external"]
scopes = ["{SCOPE}"]

# The same chat for who proves a password on this very connection, and on no other.
[[routes]]
path = "/bound"
upstream = "ws://{upstream}"
accept = ["message"]
mechanisms = ["scram-sha-256-plus"]
scopes = ["{SCOPE}"]
"#
    )
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    #[test]
    fn the_configuration_and_the_files_that_it_names_are_good() {
        let folder = Folder::new().unwrap();
        Files::new(folder.path().to_owned()).make().unwrap();
        let text = text(&Places::usual(), "warn", folder.path());
        let loaded = Config::parse("secure.toml", &text, []).unwrap_or_else(|report| {
            panic!("{report}");
        });
        assert!(loaded.report.faults().is_empty());
    }
}
