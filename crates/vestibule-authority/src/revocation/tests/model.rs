use std::{collections::HashMap, sync::Arc};

use proptest::prelude::*;
use vestibule_core::{authn::Principal, time::UnixTime};

use super::{at, everything, open, principal, subject, token};
use crate::{
    limits,
    revocation::{Named, NewRevocation},
    tests::rig::NOW,
};

#[derive(Clone, Debug)]
enum Do {
    Revoke(Named, i64, Option<i64>),
    Lift(Named),
    Expire(i64),
    Reopen,
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c"])
}

fn issuer() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(vec!["idp", "other"]))
}

fn named() -> impl Strategy<Value = Named> {
    prop_oneof![
        (issuer(), name()).prop_map(|(issuer, id)| token(issuer.unwrap_or("idp"), id)),
        name().prop_map(|id| Named::Session(id.into())),
        (issuer(), name()).prop_map(|(issuer, name)| subject(issuer, name)),
        issuer().prop_map(everything),
    ]
}

fn step() -> impl Strategy<Value = Do> {
    prop_oneof![
        6 => (named(), 0..20_i64, prop::option::of(0..50_i64))
            .prop_map(|(named, before, until)| Do::Revoke(named, before, until)),
        2 => named().prop_map(Do::Lift),
        1 => (0..60_i64).prop_map(Do::Expire),
        1 => Just(Do::Reopen),
    ]
}

fn somebody() -> impl Strategy<Value = Principal> {
    let options = (prop::option::of(name()), prop::option::of(name()), prop::option::of(0..20_i64));
    (name(), issuer(), options).prop_map(|(subject, issuer, (token, session, issued))| Principal {
        issuer: issuer.unwrap_or("third").into(),
        token_id: token.map(Into::into),
        session: session.map(Into::into),
        issued: issued.map(at),
        ..principal(subject)
    })
}

/// What each name has come to: the latest date, and the latest end, in seconds from the start.
type Model = HashMap<Named, (i64, Option<i64>)>;

/// By going through all of them.
fn covers(model: &Model, principal: &Principal) -> bool {
    let early = |before: i64| principal.issued.is_none_or(|issued| issued <= at(before));
    let of = |issuer: &Option<Box<str>>| {
        issuer.as_ref().is_none_or(|issuer| **issuer == *principal.issuer)
    };
    model.iter().any(|(named, (before, _))| match named {
        Named::Token { issuer, id } => {
            **issuer == *principal.issuer && principal.token_id.as_ref() == Some(id)
        }
        Named::Session(id) => principal.session.as_ref() == Some(id),
        Named::Subject { issuer, subject } => {
            of(issuer) && *subject == principal.subject && early(*before)
        }
        Named::Everything { issuer } => of(issuer) && early(*before),
    })
}

fn expire(model: &mut Model, now: UnixTime) {
    model.retain(|_, (_, until)| {
        until.is_none_or(|until| at(until).after(limits::REVOCATION_AFTERLIFE) > now)
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn looking_up_says_what_going_through_all_of_them_says(
        steps in prop::collection::vec(step(), 1..30),
        people in prop::collection::vec(somebody(), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (shelf, mut model) = (Arc::default(), Model::new());
            let mut revocations = open(&shelf).await;
            for step in steps {
                match step {
                    Do::Revoke(named, before, until) => {
                        let new = NewRevocation {
                            issued_before: Some(at(before)),
                            until: until.map(at),
                            ..NewRevocation::of(named.clone(), "x")
                        };
                        revocations.revoke(new, NOW).await.unwrap();
                        model
                            .entry(named)
                            .and_modify(|(known, end)| {
                                *known = before.max(*known);
                                *end = end.zip(until).map(|(one, two)| one.max(two));
                            })
                            .or_insert((before, until));
                    }
                    Do::Lift(named) => {
                        revocations.lift(&named.id(), NOW).await.unwrap();
                        model.remove(&named);
                    }
                    Do::Expire(seconds) => {
                        let now = at(seconds).after(limits::REVOCATION_AFTERLIFE);
                        revocations.expire(now);
                        expire(&mut model, now);
                    }
                    Do::Reopen => {
                        // The feed of the test forgets nothing by time: bring back what it has.
                        let now = model.keys().map(Named::id).collect::<Vec<_>>();
                        for event in shelf.feed() {
                            let id = event.key.trim_start_matches("revocation/");
                            if !now.iter().any(|known| **known == *id) {
                                shelf.drop_event(&event.key);
                            }
                        }
                        revocations = open(&shelf).await;
                    }
                }
                for person in &people {
                    assert_eq!(revocations.covers(person), covers(&model, person), "{person:?}");
                }
                assert_eq!(revocations.len(), model.len());
            }
        });
    }
}
