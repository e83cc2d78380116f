//! On the store that a node really has.

use std::{
    path::Path,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use vestibule_core::{
    authn::{Mechanism, Principal, Secret},
    rejection::Rejection,
    time::UnixTime,
};

use super::{IDP, at, principal};
use crate::{
    Door,
    api_keys::{ApiKeys, NewApiKey, Owner},
    limits,
    revocation::{Named, NewRevocation, Revocations},
    store::{Embedded, Store},
    tests::rig::NOW,
    tickets::{TicketError, TicketPolicy, Tickets},
    users::{PasswordHasher, Users},
};

fn open(path: &Path) -> Arc<dyn Store> {
    Embedded::open(path).unwrap()
}

fn memory() -> Arc<dyn Store> {
    Embedded::in_memory().unwrap()
}

async fn redeem(tickets: &Tickets, token: &Secret) -> Result<(), Rejection> {
    let issuers = [IDP.into()];
    let door = Door { route: "chat", origin: None, issuers: &issuers };
    let verified = tickets.redeem(token, &door, NOW).await;
    verified.map(drop).map_err(|refused| refused.rejection)
}

#[tokio::test]
async fn a_revocation_outlives_a_restart_for_as_long_as_what_it_names_could_live() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vestibule.db");
    let named = Named::Token { issuer: IDP.into(), id: "t".into() };
    let forever = Named::Subject { issuer: None, subject: "bob".into() };
    {
        let revocations = Revocations::open(open(&path), NOW).await.unwrap();
        let new = NewRevocation { until: Some(at(60)), ..NewRevocation::of(named, "admin") };
        revocations.revoke(new, NOW).await.unwrap();
        revocations.revoke(NewRevocation::of(forever, "admin"), NOW).await.unwrap();
    }
    let end = at(60).after(limits::REVOCATION_AFTERLIFE);
    let just_before = UnixTime::from_millis(end.as_millis() - 1);
    for (now, covered) in [(at(1), true), (just_before, true), (end, false)] {
        let revocations = Revocations::open(open(&path), now).await.unwrap();
        assert_eq!(revocations.covers(&principal(IDP)), covered, "{now:?}");
        let bob = Principal { subject: "bob".into(), ..principal(IDP) };
        assert!(revocations.covers(&bob));
    }
}

#[tokio::test]
async fn what_was_lifted_stays_lifted_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vestibule.db");
    for _ in 0..3 {
        let revocations = Revocations::open(open(&path), NOW).await.unwrap();
        assert!(revocations.is_empty());
        let named = Named::Everything { issuer: None };
        let made = revocations.revoke(NewRevocation::of(named, "admin"), NOW).await.unwrap();
        assert!(revocations.covers(&principal(IDP)));
        revocations.lift(&made.id, NOW).await.unwrap();
    }
}

#[tokio::test]
async fn no_ticket_of_before_a_restart_is_good_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vestibule.db");
    let (spent, unspent) = {
        let tickets = Tickets::new(open(&path), TicketPolicy::default());
        let sold = tickets.sell(&principal(IDP), "chat", None, NOW).await.unwrap();
        redeem(&tickets, &sold.token).await.unwrap();
        (sold.token, tickets.sell(&principal(IDP), "chat", None, NOW).await.unwrap().token)
    };
    let tickets = Tickets::new(open(&path), TicketPolicy::default());
    for token in [spent, unspent] {
        assert_eq!(redeem(&tickets, &token).await, Err(Rejection::TicketUnknown));
    }
}

#[test]
fn of_a_thousand_who_redeem_one_ticket_at_once_one_gets_in() {
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tickets = Tickets::new(memory(), TicketPolicy::default());
    for _ in 0..20 {
        let sold = runtime().block_on(tickets.sell(&principal(IDP), "chat", None, NOW)).unwrap();
        let (threads, each) = (8, 125);
        let start = Arc::new(Barrier::new(threads));
        let redeemers: Vec<_> = (0..threads)
            .map(|_| {
                let (tickets, token) = (tickets.clone(), sold.token.clone());
                let start = Arc::clone(&start);
                thread::spawn(move || {
                    start.wait();
                    let mut said = Vec::new();
                    for _ in 0..each {
                        said.push(runtime().block_on(redeem(&tickets, &token)));
                    }
                    said
                })
            })
            .collect();
        let said: Vec<_> =
            redeemers.into_iter().flat_map(|redeemer| redeemer.join().unwrap()).collect();
        let successes = said.iter().filter(|said| said.is_ok()).count();
        assert_eq!((said.len(), successes), (1000, 1));
    }
}

#[tokio::test]
async fn a_buyer_has_so_many_tickets_and_the_others_theirs() {
    let tickets = Tickets::new(memory(), TicketPolicy::default());
    let bob = Principal { subject: "bob".into(), ..principal(IDP) };
    for _ in 0..limits::TICKETS_EACH {
        tickets.sell(&principal(IDP), "chat", None, NOW).await.unwrap();
    }
    let refused = tickets.sell(&principal(IDP), "chat", None, NOW).await.unwrap_err();
    assert!(matches!(refused, TicketError::TooMany(Rejection::TooManyAttempts)));
    assert!(tickets.sell(&bob, "chat", None, NOW).await.is_ok());
    assert!(tickets.sell(&principal(IDP), "chat", None, at(20)).await.is_ok());
}

#[tokio::test]
async fn an_api_key_outlives_a_restart_until_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vestibule.db");
    let keys = || {
        let store = open(&path);
        let cost = vestibule_verify::password::Cost::dangerous_cheap();
        let hasher = PasswordHasher::new(cost, std::num::NonZeroUsize::MIN, 1).unwrap();
        let users = Arc::new(Users::new(Arc::clone(&store), hasher));
        ApiKeys::new(store, users, "https://gate.example".into())
    };
    let new = NewApiKey {
        owner: Owner::Machine("ci".into()),
        label: "build server".into(),
        scopes: Box::default(),
        expires: Some(NOW.after(Duration::from_hours(1))),
    };
    let (key, secret) = keys().add(new, NOW).await.unwrap();
    let issuers = ["https://gate.example".into()];
    let door = Door { route: "chat", origin: None, issuers: &issuers };
    let verified = keys().check(&secret, &door, at(60)).await.unwrap();
    assert_eq!(verified.principal().mechanism, Mechanism::ApiKey);
    assert_eq!(keys().get(&key.id, at(60)).await.unwrap().unwrap().used, Some(at(60)));
    let over = keys().check(&secret, &door, at(3600)).await.unwrap_err();
    assert_eq!(over.rejection, Rejection::ApiKeyUnknown);
}
