//! How somebody comes in by a passkey (Web Authentication section 7.2).

use std::{fmt, sync::Arc};

use vestibule_core::{
    authn::{
        self, Answerer, Demand, Exchange, Mechanism, Principal, Response, Secret, Verified,
        methods::{self, Custody, Verification},
    },
    rejection::Rejection,
    time::UnixTime,
};
use vestibule_verify::{
    Refused,
    webauthn::{Assertion, Authenticated, Backup, Challenge, ExpectedUser, UserVerified},
};

use super::{
    Party, Passkeys, options,
    record::{self, Record},
};
use crate::{
    api_keys::Holder,
    door::Door,
    identities::exchange,
    limits, opaque,
    store::{Change, Committed, Expect, StoreError, Table},
};

/// A challenge that is out. It belongs to one connection, and is spent by the response.
pub(crate) struct Pending {
    challenge: Challenge,
    wanted: Wanted,
}

/// Whose passkey is wanted.
enum Wanted {
    /// That of whoever the authenticator says.
    Anybody,
    /// That of who the client says to be.
    User(Box<str>),
}

impl Passkeys {
    /// Challenges whoever has a passkey; with a name, whoever has one of that user. Says nothing about
    /// whether there is one.
    pub fn challenge(&self, user: &Secret) -> Result<authn::Challenge, Refused> {
        let Party { policy, .. } = self.party()?;
        let wanted = match user.expose() {
            [] => Wanted::Anybody,
            // One that no user can have is nobody's, and need not be kept.
            name => Wanted::User(match str::from_utf8(name) {
                Ok(name) if name.len() <= limits::USER_NAME_BYTES => name.into(),
                Ok(_) | Err(_) => Box::default(),
            }),
        };
        let random = opaque::random::<32>().map_err(|error| unavailable(&error))?;
        let challenge = Challenge::new(*random);
        let options = options::request(policy, &challenge, Answerer::Person.patience());
        let pending = exchange::Pending::Webauthn(Pending { challenge, wanted });
        Ok(authn::Challenge { demand: Demand::Options(options), exchange: Exchange::new(pending) })
    }

    /// Whose passkey it is. Does not ask about revocations.
    ///
    /// An unknown passkey, a wrong signature, one for another page, of another user than was said, and a
    /// user who may not come in are one refusal. A wrong yes lets a stranger in.
    pub(crate) async fn check(
        &self,
        pending: Pending,
        response: &Response,
        door: &Door<'_>,
        now: UnixTime,
    ) -> Result<Verified, Refused> {
        let Party { relying, .. } = self.party()?;
        let Pending { challenge, wanted } = pending;
        let assertion = assertion(response)?;
        let id = record::id_of(assertion.credential_id());
        let read = self.read(&id, now).await.map_err(|error| unavailable(&error))?;
        let record = read.as_ref().map(|(record, _)| record);
        let credential = record.map(Record::credential).transpose();
        let credential = credential.map_err(|error| unavailable(&error))?;
        // Asked whether there is a passkey or not, so that both take the same time.
        let user = record.map_or("nobody", Record::user);
        let holder = self.holders.holder(user, now).await.map_err(|error| unavailable(&error))?;
        let expected = match (&wanted, &credential) {
            (Wanted::Anybody, _) => ExpectedUser::Discovered,
            (Wanted::User(name), Some(credential)) if **name == *user => {
                ExpectedUser::Named(&credential.user_handle)
            }
            (Wanted::User(_), Some(_) | None) => ExpectedUser::Named(NOBODY),
        };
        let used = relying.authenticate(challenge, &assertion, credential.as_ref(), expected)?;
        let (Some(read), Some(holder)) = (read, holder) else {
            return Err(invalid("the user of the passkey may not come in"));
        };
        if holder.since > read.0.added() {
            return Err(invalid("the passkey is of an earlier user of this name"));
        }
        if !door.takes(&self.issuer) {
            return Err(invalid("the route does not take the issuer of passkeys"));
        }
        let record = self.note_use(&id, read, used, now).await?;
        let principal = self.principal(&record, holder, used, now);
        Ok(Verified::assertion(Arc::new(principal)))
    }

    /// Keeps the count before anybody is let in: of two copies of an authenticator that are used at the
    /// same time one is refused.
    async fn note_use(
        &self,
        id: &str,
        (mut record, mut version): (Record, u64),
        used: Authenticated,
        now: UnixTime,
    ) -> Result<Record, Refused> {
        for _ in 0..limits::CONFLICTS {
            if !record.is_use_news(used, now) {
                return Ok(record);
            }
            let noted = record.used_by(used, now);
            let change = Change {
                table: Table::Passkeys,
                key: id.into(),
                expect: Expect::Version(version),
                action: noted.put().map_err(|error| unavailable(&error))?,
            };
            match self.store.commit(vec![change], now).await {
                Ok(Committed::Done) => return Ok(noted),
                Ok(Committed::Conflict) => {}
                Err(error) => return Err(unavailable(&error)),
            }
            let read = self.read(id, now).await.map_err(|error| unavailable(&error))?;
            (record, version) = read
                .filter(|(record, _)| record.is_of(noted.token()))
                .ok_or_else(|| invalid("the passkey was removed meanwhile"))?;
            if !record.counts_up_to(used) {
                let reason = "its count went back: there may be a copy of the authenticator";
                return Err(invalid(reason));
            }
        }
        Err(Refused::new(Rejection::Unavailable, "the passkey is used all the time"))
    }

    fn principal(
        &self,
        record: &Record,
        holder: Holder,
        used: Authenticated,
        now: UnixTime,
    ) -> Principal {
        let Holder { since: _, scopes, groups, email, name } = holder;
        let custody = match used.backup() {
            Backup::OneDevice => Custody::Device,
            Backup::Possible | Backup::Done => Custody::Synced,
        };
        let verification = match used.user() {
            UserVerified::Yes => Verification::Verified,
            UserVerified::No => Verification::Presence,
        };
        Principal {
            subject: record.user().into(),
            issuer: Arc::clone(&self.issuer),
            scopes,
            token_id: Some(record.token().into()),
            session: None,
            email,
            name,
            groups,
            mechanism: Mechanism::Webauthn,
            methods: methods::named(methods::passkey(custody, verification)),
            context: None,
            // The proof is of this moment, however old the passkey is.
            issued: Some(now),
            expires: now.after(self.lifetime),
        }
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { challenge: _, wanted: _ } = self;
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

fn assertion(response: &Response) -> Result<Assertion, Refused> {
    match response {
        Response::Assertion(json) => Assertion::parse(json.expose()),
        Response::Message(_)
        | Response::Signature(_)
        | Response::SshSig(_)
        | Response::Proof(_) => {
            let reason = "the answer of an authenticator is wanted";
            Err(Refused::new(Rejection::MalformedMessage, reason))
        }
    }
}

fn invalid(reason: &str) -> Refused {
    Refused::new(Rejection::CredentialsInvalid, reason)
}

fn unavailable(error: &StoreError) -> Refused {
    Refused::new(Rejection::Unavailable, error.to_string())
}

/// What no user is called by an authenticator.
const NOBODY: &[u8] = &[];
