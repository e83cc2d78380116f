//! The second step: the files that a configuration names.

use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    CertifiedKey, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
    generate_simple_self_signed,
};
use tempfile::TempDir;

use super::*;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// What is said about these lines of an issuer, and these of `[server]`.
    fn check(&self, issuer: &str, server: &str) -> Vec<String> {
        let text = format!(
            "[server]\n{server}\n[[issuers]]\nname = 'a'\nissuer = 'a'\naudiences = ['a']\n{issuer}\n{ROUTE}"
        );
        self.write("vestibule.toml", text);
        let (config, report) = Config::check(&self.0.path().join("vestibule.toml"), []);
        assert_eq!(config.is_some(), !report.is_fatal());
        let folder = self.0.path().display().to_string();
        said(&report).iter().map(|line| line.replace(&folder, "…")).collect()
    }
}

#[test]
fn secrets_have_a_least_length() {
    let folder = Folder::new();
    for (bytes, algorithm, expected) in [
        (32, "HS256", None),
        (
            31,
            "HS256",
            Some("7:15 the secret has 31 bytes, and must have at least 32 (RFC 7518 section 3.2)"),
        ),
        (
            63,
            "HS512",
            Some("7:15 the secret has 63 bytes, and must have at least 64 (RFC 7518 section 3.2)"),
        ),
    ] {
        folder.write("s", format!("{}\n", "x".repeat(bytes)));
        let said = folder.check(&format!("secret_file = 's'\nalgorithms = ['{algorithm}']"), "");
        assert_eq!(said, expected.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn one_newline_is_not_the_secrets() {
    assert_eq!(without_newline(b"a\n"), b"a");
    assert_eq!(without_newline(b"a\n\n"), b"a\n");
    assert_eq!(without_newline(b"a\r\n"), b"a\r");
    assert_eq!(without_newline(b"a"), b"a");
    assert_eq!(without_newline(b""), b"");
}

#[test]
fn a_file_must_be_there() {
    let folder = Folder::new();
    assert_eq!(folder.check("jwks_file = 'nowhere'", ""), ["7:13 cannot read …/nowhere"]);
    assert_eq!(folder.check("jwks_file = '.'", ""), ["7:13 cannot read …/."]);
    let (config, report) = Config::check(&folder.0.path().join("nothing.toml"), []);
    assert!(config.is_none());
    assert!(report.to_string().contains("vestibule init"), "{report}");
}

#[test]
fn a_key_set_must_have_a_key() {
    let folder = Folder::new();
    for (json, expected) in [
        ("{", "7:13 the file is no usable JWK set"),
        ("{\"keys\":[]}", "7:13 the JWK set has no key that can be used"),
        (
            "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
            "7:13 the JWK set has no key that can be used",
        ),
    ] {
        folder.write("keys", json);
        let said = folder.check("jwks_file = 'keys'", "");
        assert!(said.len() == 1 && said[0].starts_with(expected), "{said:?}");
    }
    let signer = vestibule_verify::mint::Signer::generate(Algorithm::EdDsa).unwrap();
    folder.write("keys", signer.public_jwks().to_string());
    assert_eq!(folder.check("jwks_file = 'keys'", ""), Vec::<String>::new());
}

#[test]
fn a_certificate_and_its_key_belong_together() {
    let folder = Folder::new();
    folder.write("s", "x".repeat(32));
    let make = || generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    let (CertifiedKey { cert, signing_key }, other) = (make(), make());
    folder.write("cert", cert.pem());
    folder.write("key", signing_key.serialize_pem());
    folder.write("other", other.signing_key.serialize_pem());
    folder.write("empty", "");
    folder.write("bad", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let check = |cert: &str, key: &str| {
        folder.check("secret_file = 's'", &format!("tls = {{ cert = '{cert}', key = '{key}' }}"))
    };
    assert_eq!(check("cert", "key"), Vec::<String>::new());
    for (cert, key, expected) in [
        ("cert", "other", "2:31 the certificate and the key cannot be used"),
        ("cert", "cert", "2:31 the file has no private key"),
        ("empty", "key", "2:16 the file has no certificate"),
        ("bad", "key", "2:29 the certificate and the key cannot be used"),
        ("key", "key", "2:16 the file has no certificate"),
    ] {
        let said = check(cert, key);
        let found = said.iter().any(|line| {
            line.split_once(' ').unwrap().1.starts_with(expected.split_once(' ').unwrap().1)
        });
        assert!(found, "{cert} {key}: {said:?}");
    }
    let roots = |name: &str| {
        let text = format!("{ISSUER}{ROUTE}ca = '{name}'\n").replace("ws://127", "wss://127");
        folder.write("vestibule.toml", text);
        said(&Config::check(&folder.0.path().join("vestibule.toml"), []).1)
    };
    assert_eq!(roots("cert"), Vec::<String>::new());
    assert_eq!(roots("empty"), ["8:6 the file has no certificate"]);
    assert!(roots("bad")[0].starts_with("8:6 a certificate cannot be used"), "{:?}", roots("bad"));
}

#[test]
fn what_clients_certificates_are_judged_by_must_be_readable() {
    let folder = Folder::new();
    folder.write("s", "x".repeat(32));
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    folder.write("cert", cert.pem());
    folder.write("key", signing_key.serialize_pem());
    folder.write("empty", "");
    folder.write("noise", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    folder.write("ca", authority.pem());
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2036, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    folder.write("crl", list.signed_by(&authority).unwrap().pem().unwrap());
    let check = |more: &str| {
        let tls = format!("tls = {{ cert = 'cert', key = 'key', {more} }}");
        folder.check("secret_file = 's'", &tls)
    };
    assert_eq!(check("client_ca = 'ca', client_crl = 'crl'"), Vec::<String>::new());
    for (more, expected) in [
        ("client_ca = 'nowhere'", "2:49 cannot read …/nowhere"),
        ("client_ca = 'empty'", "2:49 the file has no certificate"),
        ("client_ca = 'ca', client_crl = 'nowhere'", "2:68 cannot read …/nowhere"),
        (
            "client_ca = 'ca', client_crl = ['crl', 'ca']",
            "2:76 the file has no list; one begins with `-----BEGIN X509 CRL-----`",
        ),
    ] {
        assert_eq!(check(more), [expected]);
    }
    let noise = check("client_ca = 'ca', client_crl = 'noise'");
    assert!(noise[0].starts_with("2:68 a list cannot be used: "), "{noise:?}");
}

#[cfg(unix)]
#[test]
fn a_secret_that_everybody_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    folder.write("s", "x".repeat(32));
    let path = folder.0.path().join("s");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let said = folder.check("secret_file = 's'", "");
    assert_eq!(said, ["7:15 warning: everybody on this machine can read …/s"]);
}

#[test]
fn what_is_no_text_is_no_configuration() {
    let folder = Folder::new();
    folder.write("x.toml", [b'a', 0xff]);
    let report = Config::read(&folder.0.path().join("x.toml"), []).unwrap_err();
    assert_eq!(said(&report), ["- the file is not UTF-8 from byte 1 on"]);
}

#[test]
fn a_preflight_says_only_what_is_new() {
    let folder = Folder::new();
    let text = format!("{ISSUER}jwks_file = 'nowhere'\nca = 'x'\n{ROUTE}");
    folder.write("vestibule.toml", text);
    let loaded = Config::read(&folder.0.path().join("vestibule.toml"), []).unwrap();
    assert_eq!(loaded.report.count(Severity::Warning), 1);
    let report = loaded.preflight();
    assert_eq!((report.count(Severity::Warning), report.count(Severity::Fault)), (0, 2));
}
