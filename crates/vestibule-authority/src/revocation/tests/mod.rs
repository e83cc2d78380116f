mod feed;
mod model;

use std::sync::Arc;

use vestibule_core::{
    authn::{Mechanism, Principal},
    time::UnixTime,
};

use super::{Announcement, Named, NewRevocation, Revocation, RevocationError, Revocations};
use crate::{
    limits,
    store::Store,
    tests::{rig::NOW, shelf::Shelf},
};

pub(super) fn at(seconds: i64) -> UnixTime {
    UnixTime::from_secs(NOW.as_secs() + seconds)
}

/// A principal of issuer `idp` whose token `t` of session `s` was issued at [`NOW`].
pub(super) fn principal(subject: &str) -> Principal {
    Principal {
        subject: subject.into(),
        issuer: "idp".into(),
        scopes: Box::default(),
        token_id: Some("t".into()),
        session: Some("s".into()),
        email: None,
        name: None,
        groups: Box::default(),
        mechanism: Mechanism::Bearer,
        methods: Box::default(),
        context: None,
        issued: Some(NOW),
        expires: at(3600),
    }
}

pub(super) fn token(issuer: &str, id: &str) -> Named {
    Named::Token { issuer: issuer.into(), id: id.into() }
}

pub(super) fn subject(issuer: Option<&str>, subject: &str) -> Named {
    Named::Subject { issuer: issuer.map(Into::into), subject: subject.into() }
}

pub(super) fn everything(issuer: Option<&str>) -> Named {
    Named::Everything { issuer: issuer.map(Into::into) }
}

pub(super) fn new(named: Named) -> NewRevocation {
    NewRevocation::of(named, "admin")
}

pub(super) async fn open(shelf: &Arc<Shelf>) -> Arc<Revocations> {
    let shelf: Arc<Shelf> = Arc::clone(shelf);
    let store: Arc<dyn Store> = shelf;
    Revocations::open(store, NOW).await.unwrap()
}

pub(super) async fn empty() -> Arc<Revocations> {
    open(&Arc::default()).await
}

#[tokio::test]
async fn each_name_covers_what_it_names_and_nothing_else() {
    let of = |change: fn(&mut Principal)| {
        let mut principal = principal("alice");
        change(&mut principal);
        principal
    };
    let alice = of(|_| {});
    let bob = of(|p| p.subject = "bob".into());
    let elsewhere = of(|p| p.issuer = "other".into());
    let nameless = of(|p| (p.token_id, p.session) = (None, None));
    let another = of(|p| (p.token_id, p.session) = (Some("s".into()), Some("t".into())));
    let late = of(|p| p.issued = Some(UnixTime::from_millis(NOW.as_millis() + 1)));
    let undated = of(|p| p.issued = None);
    let all = [alice, bob, elsewhere, nameless, another, late, undated];
    let cases = [
        (token("idp", "t"), [1, 1, 0, 0, 0, 1, 1]),
        (Named::Session("s".into()), [1, 1, 1, 0, 0, 1, 1]),
        (subject(Some("idp"), "alice"), [1, 0, 0, 1, 1, 0, 1]),
        (subject(None, "alice"), [1, 0, 1, 1, 1, 0, 1]),
        (subject(Some("idp"), "ALICE"), [0; 7]),
        (everything(Some("idp")), [1, 1, 0, 1, 1, 0, 1]),
        (everything(None), [1, 1, 1, 1, 1, 0, 1]),
    ];
    for (named, expected) in cases {
        let revocations = empty().await;
        assert!(!all.iter().any(|one| revocations.covers(one)));
        let made = revocations.revoke(new(named.clone()), NOW).await.unwrap();
        let covered = all.each_ref().map(|one| i32::from(revocations.covers(one)));
        assert_eq!(covered, expected, "{named:?}");
        assert_eq!(all.each_ref().map(|one| i32::from(made.covers(one))), expected, "{named:?}");
        assert_eq!(revocations.lift(&made.id, NOW).await.unwrap(), Some(made));
        assert!(revocations.is_empty() && !all.iter().any(|one| revocations.covers(one)));
    }
}

#[tokio::test]
async fn a_later_revocation_of_the_same_thing_supersedes_and_an_earlier_one_takes_nothing_back() {
    let shelf = Arc::default();
    let revocations = open(&shelf).await;
    let alice = |issued| Principal { issued: Some(at(issued)), ..principal("alice") };
    for (before, until) in [(10, None), (5, Some(at(60))), (20, Some(at(50)))] {
        let revocation =
            NewRevocation { issued_before: Some(at(before)), until, ..new(subject(None, "alice")) };
        revocations.revoke(revocation, NOW).await.unwrap();
    }
    assert_eq!((revocations.len(), shelf.feed().len()), (1, 1));
    for revocations in [revocations, open(&shelf).await] {
        assert!(revocations.covers(&alice(20)) && !revocations.covers(&alice(21)));
        assert_eq!(revocations.covering(&alice(99)), Some(at(20)));
        assert_eq!(revocations.covering(&principal("bob")), None);
        // One of them had no end.
        assert_eq!(revocations.list(None, 9, NOW)[0].until, None);
    }
}

#[tokio::test]
async fn what_is_dated_after_covering_is_let_in() {
    let revocations = empty().await;
    let alice = principal("alice");
    for (named, before) in [(everything(None), 7), (subject(Some("idp"), "alice"), 5)] {
        let made = NewRevocation { issued_before: Some(at(before)), ..new(named) };
        revocations.revoke(made, NOW).await.unwrap();
    }
    let latest = revocations.covering(&alice).unwrap();
    assert!(revocations.covers(&Principal { issued: Some(latest), ..alice.clone() }));
    let after = Some(UnixTime::from_millis(latest.as_millis() + 1));
    assert!(!revocations.covers(&Principal { issued: after, ..alice }));
}

#[tokio::test]
async fn a_revocation_lives_as_long_as_what_it_names_could_be_taken() {
    let shelf = Arc::default();
    let revocations = open(&shelf).await;
    let ends = NewRevocation { until: Some(at(60)), ..new(token("idp", "t")) };
    revocations.revoke(ends, NOW).await.unwrap();
    revocations.revoke(new(token("idp", "for ever")), NOW).await.unwrap();
    let last = at(60).after(limits::REVOCATION_AFTERLIFE);
    let before_last = UnixTime::from_millis(last.as_millis() - 1);
    revocations.expire(before_last);
    assert!(revocations.covers(&principal("alice")));
    assert_eq!(revocations.list(None, 9, before_last).len(), 2);
    assert_eq!(revocations.list(None, 9, last).len(), 1);
    let store: Arc<dyn Store> = Arc::<Shelf>::clone(&shelf);
    let reopened = Revocations::open(store, before_last).await.unwrap();
    assert!(reopened.covers(&principal("alice")));
    for revocations in [&revocations, &reopened] {
        revocations.expire(last);
        assert!(!revocations.covers(&principal("alice")));
        assert_eq!(revocations.len(), 1);
    }
}

#[tokio::test]
async fn what_names_nothing_or_too_much_is_refused_and_revokes_nothing() {
    let revocations = empty().await;
    let long = "x".repeat(limits::REVOCATION_NAME_BYTES + 1);
    for named in [token("", "t"), token("idp", ""), subject(None, ""), everything(Some(""))] {
        let refused = revocations.revoke(new(named.clone()), NOW).await;
        assert!(matches!(refused, Err(RevocationError::Empty { .. })), "{named:?}");
    }
    for named in [token("idp", &long), subject(Some(&long), "a"), Named::Session((&*long).into())] {
        let refused = revocations.revoke(new(named), NOW).await;
        assert!(matches!(refused, Err(RevocationError::TooLong { .. })), "{refused:?}");
    }
    let chatty = NewRevocation { reason: Some((&*long).into()), ..new(everything(None)) };
    assert!(revocations.revoke(chatty, NOW).await.is_err());
    assert!(revocations.is_empty());
}

#[tokio::test]
async fn announcements_come_in_order_and_after_they_hold() {
    let revocations = empty().await;
    let mut hears = revocations.announcements();
    for number in 0..100 {
        revocations.revoke(new(token("idp", &number.to_string())), NOW).await.unwrap();
    }
    for number in 0..100 {
        let Some(Announcement::Revoked(said)) = hears.next().await else { panic!("{number}") };
        assert_eq!(said.named, token("idp", &number.to_string()));
    }
    assert_eq!(hears.try_next(), None);
    // Asked again is said again: perhaps a sweep went wrong.
    revocations.revoke(new(token("idp", "0")), NOW).await.unwrap();
    assert!(matches!(hears.try_next(), Some(Announcement::Revoked(_))));
    drop(revocations);
    assert_eq!(hears.next().await, None);
}

#[tokio::test]
async fn who_was_too_slow_to_listen_learns_that_everybody_is_to_be_looked_at() {
    let revocations = empty().await;
    let mut hears = revocations.announcements();
    for number in 0..=limits::ANNOUNCEMENTS {
        revocations.revoke(new(token("idp", &number.to_string())), NOW).await.unwrap();
    }
    assert_eq!(hears.next().await, Some(Announcement::Missed));
    assert!(revocations.covers(&Principal { token_id: Some("0".into()), ..principal("alice") }));
}

#[tokio::test]
async fn pages_hold_every_revocation_once() {
    let revocations = empty().await;
    for number in 0..25 {
        revocations.revoke(new(token("idp", &number.to_string())), NOW).await.unwrap();
    }
    let mut seen: Vec<Box<str>> = Vec::new();
    loop {
        let page = revocations.list(seen.last().map(|id| &**id), 10, NOW);
        if page.is_empty() {
            break;
        }
        seen.extend(page.iter().map(|one: &Arc<Revocation>| one.id.clone()));
    }
    assert!(seen.is_sorted() && seen.len() == 25);
    assert!(seen.iter().all(|id| revocations.get(id).is_some()));
    assert_eq!(revocations.lift("nothing", NOW).await.unwrap(), None);
}

/// Admission asks before it returns; so whoever was revoked before asking is not admitted, on any
/// thread.
#[tokio::test]
async fn nobody_is_admitted_after_revoke_has_returned() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let revocations = empty().await;
    let revoked_up_to = Arc::new(AtomicUsize::new(0));
    let most = 2000;
    let askers: Vec<_> = (0..3)
        .map(|_| {
            let (revocations, up_to) = (Arc::clone(&revocations), Arc::clone(&revoked_up_to));
            tokio::task::spawn_blocking(move || {
                while up_to.load(Ordering::Acquire) < most {
                    let known = up_to.load(Ordering::Acquire);
                    for number in known.saturating_sub(3)..known {
                        let name = number.to_string();
                        let one = Principal { token_id: Some((&*name).into()), ..principal("a") };
                        assert!(revocations.covers(&one), "{number} of {known}");
                    }
                }
            })
        })
        .collect();
    for number in 0..most {
        revocations.revoke(new(token("idp", &number.to_string())), NOW).await.unwrap();
        revoked_up_to.store(number + 1, Ordering::Release);
    }
    for asker in askers {
        asker.await.unwrap();
    }
}
