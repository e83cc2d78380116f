//! How we show an issuer who asks. Read at the start, and again when the issuer does not take it.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use data_encoding::BASE64;
use http::HeaderValue;
use vestibule_core::authn::Secret;
use zeroize::Zeroizing;

use super::{policy::Login, text};
use crate::limits;

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("cannot read {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is longer than {} bytes", path.display(), limits::LOGIN_BYTES)]
    TooLong { path: PathBuf },
    #[error("{} is empty", path.display())]
    Empty { path: PathBuf },
    #[error("{} holds something that cannot be sent", path.display())]
    Unfit { path: PathBuf },
}

/// What stands in `Authorization`.
pub(crate) struct Credentials {
    login: Login,
    current: RwLock<Secret>,
}

impl Credentials {
    pub(crate) fn read(login: Login) -> Result<Self, LoginError> {
        let current = RwLock::new(written(&login)?);
        Ok(Self { login, current })
    }

    /// For a request.
    pub(super) fn field(&self) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut value = HeaderValue::from_bytes(current.expose())?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// They were refused: perhaps there are new ones.
    pub(super) fn reread(&self) -> Result<(), LoginError> {
        let new = written(&self.login)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { login, current: _ } = self;
        f.debug_struct("Credentials").field("login", login).finish_non_exhaustive()
    }
}

fn written(login: &Login) -> Result<Secret, LoginError> {
    let (path, value) = match login {
        Login::Basic { client_id, secret_file } => {
            let secret = secret(secret_file)?;
            // RFC 6749 section 2.3.1: both are encoded like a form, and then for HTTP Basic.
            let pair = Zeroizing::new(format!(
                "{}:{}",
                &*text::form(client_id.as_bytes()),
                &*text::form(&secret)
            ));
            let encoded = Zeroizing::new(BASE64.encode(pair.as_bytes()));
            (secret_file, Zeroizing::new(format!("Basic {}", &*encoded)))
        }
        Login::Bearer { token_file } => {
            let token = secret(token_file)?;
            let unfit = || LoginError::Unfit { path: token_file.clone() };
            let token = str::from_utf8(&token).map_err(|_| unfit())?;
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(unfit());
            }
            (token_file, Zeroizing::new(format!("Bearer {token}")))
        }
    };
    HeaderValue::from_str(&value).map_err(|_| LoginError::Unfit { path: path.clone() })?;
    Ok(Secret::new(value.as_bytes()))
}

fn secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, LoginError> {
    let fault = |source| LoginError::File { path: path.to_owned(), source };
    let most = u64::try_from(limits::LOGIN_BYTES).unwrap_or(u64::MAX);
    let file = File::open(path).map_err(fault)?;
    // Room for all of it at once: a buffer that grows leaves copies of a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limits::LOGIN_BYTES + 1));
    file.take(most + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() > limits::LOGIN_BYTES {
        return Err(LoginError::TooLong { path: path.to_owned() });
    }
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(LoginError::Empty { path: path.to_owned() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(login: Login) -> String {
        let credentials = Credentials::read(login).unwrap();
        assert!(!format!("{credentials:?}").contains("s3cret"));
        let field = credentials.field().unwrap();
        assert!(field.is_sensitive());
        field.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_secret_is_encoded_as_a_form_is_before_it_is_base64() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let basic = |secret: &str| {
            std::fs::write(&path, secret).unwrap();
            let login = Login::Basic { client_id: "ga:te".into(), secret_file: path.clone() };
            let field = field(login);
            let pair = BASE64.decode(field.strip_prefix("Basic ").unwrap().as_bytes()).unwrap();
            String::from_utf8(pair).unwrap()
        };
        assert_eq!(basic("s3cret"), "ga%3Ate:s3cret");
        assert_eq!(basic("s3cret\n"), "ga%3Ate:s3cret");
        assert_eq!(basic("a b:%+é"), "ga%3Ate:a+b%3A%25%2B%C3%A9");
    }

    #[test]
    fn a_secret_that_cannot_be_sent_is_told_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Credentials::read(Login::Bearer { token_file: path.clone() })
        };
        assert_eq!(
            field(Login::Bearer {
                token_file: {
                    read("s3cret.x").unwrap();
                    path.clone()
                }
            }),
            "Bearer s3cret.x"
        );
        assert!(matches!(read(""), Err(LoginError::Empty { .. })));
        assert!(matches!(read("\n"), Err(LoginError::Empty { .. })));
        assert!(matches!(read("a\r\nX-Other: 1"), Err(LoginError::Unfit { .. })));
        assert!(matches!(read("a b"), Err(LoginError::Unfit { .. })));
        assert!(matches!(read(&"x".repeat(9000)), Err(LoginError::TooLong { .. })));
        let login = Login::Bearer { token_file: folder.path().join("none") };
        assert!(matches!(Credentials::read(login), Err(LoginError::File { .. })));
    }

    #[test]
    fn new_credentials_are_read_when_the_old_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "old").unwrap();
        let credentials = Credentials::read(Login::Bearer { token_file: path.clone() }).unwrap();
        std::fs::write(&path, "new").unwrap();
        assert_eq!(credentials.field().unwrap(), "Bearer old");
        credentials.reread().unwrap();
        assert_eq!(credentials.field().unwrap(), "Bearer new");
        std::fs::write(&path, "").unwrap();
        assert!(credentials.reread().is_err());
        assert_eq!(credentials.field().unwrap(), "Bearer new");
    }
}
