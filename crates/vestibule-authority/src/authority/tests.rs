use tokio::time::Instant;
use vestibule_verify::jwt::Unverified;

use super::Opinion;
use crate::tests::{
    provider::{Answer, Provider},
    rig::{NOW, ask, at, jwks, patient, signer, token, yes},
};

#[tokio::test]
async fn keys_that_came_while_others_were_tried_are_tried_too() {
    let (provider, old, new) = (Provider::start(), signer(), signer());
    let authority = at(&provider, patient());
    let member = authority.members[0].keys().unwrap();
    let credential = token(&new, "alice");
    let unverified = Unverified::parse(credential.secret.expose()).unwrap();
    let opinion = |current| member.opinion_from(current, &unverified, NOW, Instant::now());

    let none = member.source.current(Instant::now());
    assert!(matches!(opinion(none.clone()), Opinion::Doubtful(_, _)));
    provider.at("/keys", Answer::json(&jwks(&[&old])));
    assert_eq!(ask(&authority, &token(&old, "bob")).await, yes("bob"));
    let first = member.source.current(Instant::now());
    provider.at("/keys", Answer::json(&jwks(&[&new])));
    assert_eq!(ask(&authority, &token(&new, "carol")).await, yes("carol"));

    // The turn is spent, and what it brought is here.
    assert!(matches!(opinion(first), Opinion::Good(_, _)));
    assert!(matches!(opinion(none), Opinion::Good(_, _)));
}
