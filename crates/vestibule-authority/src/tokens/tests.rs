use serde_json::json;
use vestibule_core::{
    authn::{Credential, Mechanism},
    rejection::Rejection,
};
use vestibule_verify::jwt;

use super::*;
use crate::{Authority, tests::ledger::Ledger};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

fn policy() -> TokenPolicy {
    TokenPolicy::new("https://gate.example", "chat")
}

async fn open(ledger: &Arc<Ledger>, now: UnixTime) -> Arc<AccessTokens> {
    AccessTokens::open(Arc::<Ledger>::clone(ledger), policy(), now).await.unwrap()
}

fn verifier(tokens: &Arc<AccessTokens>) -> Arc<Authority> {
    Authority::new(vec![tokens.issuer()]).unwrap()
}

fn alice() -> Principal {
    Principal {
        subject: "alice".into(),
        issuer: "https://gate.example".into(),
        scopes: Box::new(["chat:read".into(), "chat:write".into()]),
        token_id: None,
        session: Some("ses_1".into()),
        email: Some("alice@example".into()),
        name: Some("Alice".into()),
        groups: Box::new(["staff".into(), "a b".into()]),
        mechanism: Mechanism::Session,
        methods: Box::new(["pwd".into()]),
        context: Some("gold".into()),
        issued: None,
        expires: NOW.after(DAY * 365),
    }
}

fn mint(tokens: &AccessTokens, now: UnixTime) -> Credential {
    let token = tokens.mint(&alice(), None, now).unwrap().token;
    Credential::bearer(token.expose())
}

async fn ask(authority: &Authority, token: &Credential, now: UnixTime) -> Result<(), Rejection> {
    let said = authority.check(token, &[0], || now).await;
    said.map(drop).map_err(|refused| refused.rejection)
}

fn kids(tokens: &AccessTokens) -> Vec<String> {
    let jwks = tokens.public_jwks();
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid(token: &Credential) -> String {
    jwt::Unverified::parse(token.secret.expose()).unwrap().kid().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_says_who_it_is_and_is_verified_like_any_issuer_s() {
    let tokens = open(&Ledger::new(), NOW).await;
    let authority = verifier(&tokens);
    let made = tokens.mint(&alice(), None, NOW).unwrap();
    let credential = Credential::bearer(made.token.expose());
    // At once: keys of this process are there from the start.
    let verified = authority.check_now(&credential, &[0], NOW).unwrap().unwrap();
    let expected = Principal {
        mechanism: Mechanism::Bearer,
        token_id: Some(made.id),
        issued: Some(NOW),
        expires: NOW.after(15 * MINUTE),
        ..alice()
    };
    assert_eq!(**verified.principal(), expected);
    assert_eq!((made.expires_in, made.expires), (15 * MINUTE, expected.expires));
    let contents = jwt::inspect(credential.secret.expose()).unwrap();
    assert_eq!(contents.header["typ"], "at+jwt");
    assert_eq!(contents.claims["scope"], "chat:read chat:write");
    assert_eq!(authority.readiness()[0].kind, "local");
}

#[tokio::test]
async fn who_has_nothing_says_nothing_of_it() {
    let tokens = open(&Ledger::new(), NOW).await;
    let bare = Principal {
        scopes: Box::default(),
        groups: Box::default(),
        session: None,
        methods: Box::default(),
        context: None,
        email: None,
        name: None,
        ..alice()
    };
    let token = tokens.mint(&bare, None, NOW).unwrap().token;
    let claims = jwt::inspect(token.expose()).unwrap().claims;
    let mut names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["aud", "exp", "iat", "iss", "jti", "sub"]);
}

#[tokio::test]
async fn a_scope_with_a_space_does_not_become_two() {
    let tokens = open(&Ledger::new(), NOW).await;
    for scope in ["chat admin", "", " "] {
        let sly = Principal { scopes: Box::new([scope.into()]), ..alice() };
        assert!(matches!(tokens.mint(&sly, None, NOW), Err(MintError::Scope)));
    }
}

#[tokio::test]
async fn a_token_does_not_outlive_what_it_was_made_of() {
    let tokens = open(&Ledger::new(), NOW).await;
    let ending = |span| Principal { expires: NOW.after(span), ..alice() };
    let made = tokens.mint(&ending(Duration::from_millis(90_500)), None, NOW).unwrap();
    assert_eq!(made.expires_in, Duration::from_secs(90));
    for span in [Duration::ZERO, Duration::from_millis(900)] {
        assert!(matches!(tokens.mint(&ending(span), None, NOW), Err(MintError::Over)));
    }
}

#[tokio::test]
async fn a_token_that_is_made_after_a_revocation_is_issued_after_it() {
    let tokens = open(&Ledger::new(), NOW).await;
    let authority = verifier(&tokens);
    let now = NOW.after(Duration::from_millis(300));
    for (revoked, issued) in [
        (NOW.after(Duration::from_millis(299)), NOW.after(Duration::from_secs(1))),
        (NOW, NOW.after(Duration::from_secs(1))),
        (UnixTime::from_millis(NOW.as_millis() - 1), NOW),
    ] {
        let token = tokens.mint(&alice(), Some(revoked), now).unwrap().token;
        let verified = authority.check_now(&Credential::bearer(token.expose()), &[0], now);
        let verified = verified.unwrap().unwrap();
        assert_eq!(verified.principal().issued, Some(issued));
        assert!(verified.principal().issued > Some(revoked));
    }
    // Nor where it would be over before it begins.
    let ending = Principal { expires: NOW.after(Duration::from_secs(1)), ..alice() };
    assert!(matches!(tokens.mint(&ending, Some(NOW), now), Err(MintError::Over)));
    // Everything until tomorrow is revoked: there is no token that would count.
    assert!(matches!(tokens.mint(&alice(), Some(NOW.after(DAY)), now), Err(MintError::Over)));
}

#[tokio::test]
async fn keys_are_kept_over_a_restart() {
    let ledger = Ledger::new();
    let before = open(&ledger, NOW).await;
    let token = mint(&before, NOW);
    let after = open(&ledger, NOW.after(MINUTE)).await;
    assert_eq!(before.public_jwks(), after.public_jwks());
    assert_eq!(ask(&verifier(&after), &token, NOW.after(MINUTE)).await, Ok(()));
}

#[tokio::test]
async fn nodes_that_start_at_once_share_one_key() {
    let ledger = Ledger::new();
    let (one, two) = tokio::join!(open(&ledger, NOW), open(&ledger, NOW));
    assert_eq!(kids(&one).len(), 1);
    assert_eq!(one.public_jwks(), two.public_jwks());
    assert_eq!(ask(&verifier(&one), &mint(&two, NOW), NOW).await, Ok(()));
}

#[tokio::test]
async fn nodes_that_rotate_at_once_make_one_key() {
    let ledger = Ledger::new();
    let (one, two) = (open(&ledger, NOW).await, open(&ledger, NOW).await);
    let due = NOW.after(29 * DAY);
    let (left, right) = tokio::join!(one.rotate_if_due(due), two.rotate_if_due(due));
    left.and(right).unwrap();
    assert_eq!(kids(&one).len(), 2);
    assert_eq!(kids(&one), kids(&two));
}

#[tokio::test]
async fn a_key_is_published_before_it_signs_and_after_it_has_signed() {
    let tokens = open(&Ledger::new(), NOW).await;
    let first = kids(&tokens);
    let at = |days: u32| NOW.after(DAY * days);

    tokens.rotate_if_due(NOW.after(28 * DAY)).await.unwrap();
    assert_eq!(kids(&tokens), first);
    tokens.rotate_if_due(at(29)).await.unwrap();
    let both = kids(&tokens);
    assert_eq!((both.len(), &both[0]), (2, &first[0]));
    let last_of_old = mint(&tokens, NOW.after(29 * DAY + 1439 * MINUTE));
    assert_eq!(kid(&last_of_old), both[0]);
    assert_eq!(kid(&mint(&tokens, at(30))), both[1]);

    // Its last token lives for fourteen more minutes.
    let authority = verifier(&tokens);
    let later = NOW.after(30 * DAY + 13 * MINUTE);
    tokens.rotate_if_due(later).await.unwrap();
    assert_eq!(ask(&authority, &last_of_old, later).await, Ok(()));
    // And a little longer, for those whose clock is behind.
    tokens.rotate_if_due(NOW.after(30 * DAY + 19 * MINUTE)).await.unwrap();
    assert_eq!(kids(&tokens), both);
    tokens.rotate_if_due(NOW.after(30 * DAY + 20 * MINUTE)).await.unwrap();
    assert_eq!(kids(&tokens), both[1..]);
}

#[tokio::test]
async fn keys_that_were_read_before_a_change_do_not_come_back_after_it() {
    let tokens = open(&Ledger::new(), NOW).await;
    let (ring, _) = read(&*tokens.store, NOW).await.unwrap();
    let slow = Keys::new(ring, NOW).unwrap();
    tokens.rotate_if_due(NOW.after(29 * DAY)).await.unwrap();
    let both = kids(&tokens);
    tokens.take(slow);
    assert_eq!((kids(&tokens), both.len()), (both.clone(), 2));
}

#[tokio::test]
async fn a_key_that_another_node_made_is_found_when_a_token_names_it() {
    let ledger = Ledger::new();
    let (one, two) = (open(&ledger, NOW).await, open(&ledger, NOW).await);
    let authority = verifier(&one);
    two.rotate_if_due(NOW.after(29 * DAY)).await.unwrap();
    let late = NOW.after(30 * DAY);
    let token = mint(&two, late);
    assert_eq!(kids(&one).len(), 1);
    assert_eq!(ask(&authority, &token, late).await, Ok(()));
    assert_eq!(kids(&one), kids(&two));
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_ends_with_the_key_that_signed_it() {
    let tokens = open(&Ledger::new(), NOW).await;
    let authority = verifier(&tokens);
    let token = mint(&tokens, NOW);
    assert_eq!(ask(&authority, &token, NOW).await, Ok(()));
    assert_eq!(authority.remembered(), 1);
    tokens.rotate_if_due(NOW.after(29 * DAY)).await.unwrap();
    tokens.rotate_if_due(NOW.after(31 * DAY)).await.unwrap();
    assert_eq!(kids(&tokens).len(), 1);
    let background = tokio::spawn(Arc::clone(&authority).keep_fresh());
    tokio::time::sleep(limits::HELD_REFRESH * 2).await;
    // By its dates it would be good.
    assert_eq!(ask(&authority, &token, NOW).await, Err(Rejection::TokenKeyUnknown));
    background.abort();
}

#[tokio::test]
async fn what_others_sign_is_not_ours() {
    let tokens = open(&Ledger::new(), NOW).await;
    let authority = verifier(&tokens);
    let claims = |change: &dyn Fn(&mut Value)| {
        let mut claims = json!({
            "iss": "https://gate.example", "aud": "chat", "sub": "root",
            "exp": NOW.as_secs() + 60,
        });
        change(&mut claims);
        claims
    };
    let stranger = Signer::generate(Algorithm::EdDsa).unwrap().with_kid(&kids(&tokens)[0]);
    let forged = stranger.sign(Some(TYPE), &claims(&|_| {})).unwrap();
    let said = ask(&authority, &Credential::bearer(forged), NOW).await;
    assert_eq!(said, Err(Rejection::TokenSignature));
    // Made here, and for something else.
    let keys = tokens.keys();
    let sign = |typ, change: &dyn Fn(&mut Value)| {
        Credential::bearer(keys.signers[0].sign(Some(typ), &claims(change)).unwrap())
    };
    let said = ask(&authority, &sign("JWT", &|_| {}), NOW).await;
    assert_eq!(said, Err(Rejection::TokenType));
    let said = ask(&authority, &sign(TYPE, &|claims| claims["aud"] = json!("other")), NOW).await;
    assert_eq!(said, Err(Rejection::TokenAudience));
    let said = ask(&authority, &sign(TYPE, &|claims| claims["iss"] = json!("other")), NOW).await;
    assert_eq!(said, Err(Rejection::TokenIssuer));
    assert_eq!(ask(&authority, &sign(TYPE, &|_| {}), NOW).await, Ok(()));
}

#[tokio::test]
async fn a_store_that_cannot_answer_withdraws_no_key_and_makes_none() {
    let ledger = Ledger::new();
    let tokens = open(&ledger, NOW).await;
    let authority = verifier(&tokens);
    ledger.fail();
    assert!(tokens.rotate_if_due(NOW.after(40 * DAY)).await.is_err());
    let late = NOW.after(40 * DAY);
    assert_eq!(ask(&authority, &mint(&tokens, late), late).await, Ok(()));
    let store: Arc<dyn Store> = ledger;
    assert!(AccessTokens::open(store, policy(), NOW).await.is_err());
}

#[tokio::test]
async fn a_broken_record_is_not_replaced_by_new_keys() {
    let ledger = Ledger::new();
    for text in
        ["", "{}", r#"{"v":2,"revision":1,"keys":[]}"#, r#"{"v":1,"revision":1,"keys":[{}]}"#]
    {
        let change = Change {
            table: Table::SigningKeys,
            key: RING.into(),
            expect: Expect::Anything,
            action: Action::Put(Zeroizing::new(text.into()), None),
        };
        assert_eq!(ledger.commit(vec![change], NOW).await.unwrap(), Committed::Done);
        let store: Arc<dyn Store> = Arc::<Ledger>::clone(&ledger);
        assert!(AccessTokens::open(store, policy(), NOW).await.is_err(), "{text}");
    }
}

#[tokio::test]
async fn no_private_key_is_published_or_printed() {
    let ledger = Ledger::new();
    let tokens = open(&ledger, NOW).await;
    assert!(ledger.text().contains("PRIVATE KEY"));
    let made = tokens.mint(&alice(), None, NOW).unwrap();
    let published = tokens.public_jwks();
    assert!(published["keys"][0].get("d").is_none());
    let keys = tokens.keys();
    let printed = format!("{tokens:?} {made:?} {:?} {:?} {published}", tokens.issuer(), keys.ring);
    assert!(!printed.contains("PRIVATE") && !printed.contains("eyJ"), "{printed}");
}

#[test]
fn in_two_years_no_token_is_ever_without_its_key_and_no_key_signs_unannounced() {
    // However the nodes are woken, and with gaps of weeks.
    for step in [7 * MINUTE, 5 * MINUTE * 60, 3 * DAY, 45 * DAY] {
        let policy = TokenPolicy { lifetime: MINUTE * 60, rotate_every: 7 * DAY, ..policy() };
        let mut ring = Ring::default();
        let (mut now, mut known) = (NOW, Vec::<(UnixTime, UnixTime)>::new());
        let end = NOW.after(DAY * if step < DAY { 40 } else { 730 });
        while now < end {
            if ring.tend(&policy, now).unwrap() == Plan::Write {
                for key in &ring.keys {
                    if !known.iter().any(|(signs, _)| *signs == key.signs) {
                        known.push((key.signs, now));
                    }
                }
            }
            assert!((1..=3).contains(&ring.keys.len()), "{ring:?}");
            let signer = ring.keys[ring.signing(now)].signs;
            assert!(signer <= now);
            // The token that was signed last by any key that was in use within an hour.
            let before = UnixTime::from_secs(now.as_secs() - 3600).max(NOW);
            let signed_then = known.iter().rfind(|(signs, _)| *signs <= before).unwrap().0;
            assert!(ring.keys.iter().any(|key| key.signs == signed_then), "{step:?}");
            now = now.after(step);
        }
        let announced = known.iter().skip(1).all(|(signs, known)| known.until(*signs) >= DAY);
        assert!(announced && known.len() > 3, "{step:?} {known:?}");
    }
}

#[test]
fn a_longer_life_of_tokens_keeps_their_keys_longer() {
    let mut ring = Ring::default();
    let short = TokenPolicy { lifetime: MINUTE, rotate_every: DAY, ..policy() };
    let long = TokenPolicy { lifetime: 10 * DAY, ..short.clone() };
    ring.tend(&short, NOW).unwrap();
    assert_eq!(ring.tend(&short, NOW).unwrap(), Plan::Keep);
    // Another node, or this one before it was configured anew.
    assert_eq!(ring.tend(&long, NOW).unwrap(), Plan::Write);
    assert_eq!(ring.tend(&short, NOW).unwrap(), Plan::Keep);
    let first = ring.keys[0].signs;
    for days in 1..=10 {
        ring.tend(&short, NOW.after(DAY * days)).unwrap();
        assert_eq!(ring.keys[0].signs, first, "{days}");
    }
    ring.tend(&short, NOW.after(DAY * 12)).unwrap();
    assert_ne!(ring.keys[0].signs, first);
}
