use std::{
    sync::{Arc, Barrier},
    thread,
};

use vestibule_core::rejection::Retry;

use super::*;
use crate::tests::{rig::NOW, shelf::Shelf};

const ROUTE: &str = "chat";
const PAGE: &str = "https://app.example";

fn at(seconds: u64) -> UnixTime {
    NOW.after(Duration::from_secs(seconds))
}

fn principal(subject: &str) -> Principal {
    Principal {
        subject: subject.into(),
        issuer: "https://idp.example/".into(),
        scopes: Box::new(["chat".into()]),
        token_id: Some("jti-1".into()),
        session: Some("sid-1".into()),
        email: Some("alice@mail.example".into()),
        name: None,
        groups: Box::new(["staff".into()]),
        mechanism: Mechanism::Bearer,
        methods: Box::default(),
        context: None,
        issued: Some(NOW),
        expires: at(3600),
    }
}

struct Rig {
    shelf: Arc<Shelf>,
    tickets: Tickets,
}

impl Rig {
    fn new(policy: TicketPolicy) -> Self {
        let shelf = Arc::new(Shelf::default());
        let tickets = Tickets::new(Arc::<Shelf>::clone(&shelf), policy);
        Self { shelf, tickets }
    }

    async fn sell(&self, origin: Option<&str>) -> Secret {
        self.tickets.sell(&principal("alice"), ROUTE, origin, NOW).await.unwrap().token
    }
}

fn rig() -> Rig {
    Rig::new(TicketPolicy::default())
}

async fn redeem(
    tickets: &Tickets,
    token: &Secret,
    (route, origin): (&str, Option<&str>),
    now: UnixTime,
) -> Result<Arc<Principal>, Rejection> {
    let issuers = ["https://idp.example/".into()];
    let door = Door { route, origin, issuers: &issuers };
    let verified = tickets.redeem(token, &door, now).await;
    verified.map(|it| Arc::clone(it.principal())).map_err(|refused| refused.rejection)
}

const HERE: (&str, Option<&str>) = (ROUTE, Some(PAGE));

#[tokio::test]
async fn a_ticket_stands_for_the_credential_that_bought_it() {
    let rig = rig();
    let ticket = rig.tickets.sell(&principal("alice"), ROUTE, Some(PAGE), NOW).await.unwrap();
    assert_eq!(ticket.expires_in, limits::TICKET_LIFETIME);
    assert_eq!(Mechanism::of_token(ticket.token.expose()), Mechanism::Ticket);
    let who = redeem(&rig.tickets, &ticket.token, HERE, at(19)).await.unwrap();
    assert_eq!(*who, Principal { mechanism: Mechanism::Ticket, ..principal("alice") });
}

#[tokio::test]
async fn a_ticket_that_is_presented_again_is_refused_for_as_long_as_it_would_have_lived() {
    let rig = rig();
    let token = rig.sell(Some(PAGE)).await;
    assert!(redeem(&rig.tickets, &token, HERE, NOW).await.is_ok());
    for (seconds, said) in [
        (0, Rejection::TicketReplayed),
        (19, Rejection::TicketReplayed),
        (20, Rejection::TicketExpired),
        (9999, Rejection::TicketExpired),
    ] {
        assert_eq!(redeem(&rig.tickets, &token, HERE, at(seconds)).await, Err(said), "{seconds}");
    }
}

#[tokio::test]
async fn a_ticket_is_over_after_its_time() {
    for (seconds, good) in [(19, true), (20, false), (21, false)] {
        let rig = rig();
        let token = rig.sell(None).await;
        let said = redeem(&rig.tickets, &token, HERE, at(seconds)).await;
        assert_eq!(said.is_ok(), good, "{seconds}");
        assert!(good || said == Err(Rejection::TicketExpired));
    }
}

#[tokio::test]
async fn a_ticket_that_was_tried_at_the_wrong_place_is_burnt() {
    let other = Some("https://evil.example");
    let wrong = [
        ("pay", Some(PAGE)),
        ("Chat", Some(PAGE)),
        ("", Some(PAGE)),
        (ROUTE, other),
        (ROUTE, Some("http://app.example")),
        (ROUTE, Some("https://app.example:444")),
        (ROUTE, Some("null")),
        (ROUTE, None),
    ];
    for place in wrong {
        let rig = rig();
        let token = rig.sell(Some(PAGE)).await;
        let said = redeem(&rig.tickets, &token, place, NOW).await;
        assert_eq!(said, Err(Rejection::TicketMisplaced), "{place:?}");
        let said = redeem(&rig.tickets, &token, HERE, NOW).await;
        assert_eq!(said, Err(Rejection::TicketReplayed), "{place:?}");
    }
    // The same page in another spelling; and one that was bound to none.
    let rig = rig();
    let token = rig.sell(Some(PAGE)).await;
    assert!(redeem(&rig.tickets, &token, (ROUTE, Some("HTTPS://App.Example")), NOW).await.is_ok());
    for origin in [other, None] {
        let token = rig.sell(None).await;
        assert!(redeem(&rig.tickets, &token, (ROUTE, origin), NOW).await.is_ok());
    }
}

#[tokio::test]
async fn a_route_that_does_not_take_the_issuer_does_not_take_its_tickets() {
    let rig = rig();
    for issuers in [vec![], vec!["https://other.example/".into()]] {
        let token = rig.sell(None).await;
        let door = Door { route: ROUTE, origin: None, issuers: &issuers };
        let refused = rig.tickets.redeem(&token, &door, NOW).await.unwrap_err();
        assert_eq!(refused.rejection, Rejection::TicketMisplaced);
    }
}

#[tokio::test]
async fn a_ticket_does_not_outlive_the_credential_that_bought_it() {
    let rig = rig();
    let brief = Principal { expires: at(5), ..principal("alice") };
    let ticket = rig.tickets.sell(&brief, ROUTE, None, NOW).await.unwrap();
    assert_eq!(ticket.expires_in, Duration::from_secs(5));
    assert!(redeem(&rig.tickets, &ticket.token, HERE, at(5)).await.is_err());
    let ticket = rig.tickets.sell(&brief, ROUTE, None, NOW).await.unwrap();
    assert_eq!(redeem(&rig.tickets, &ticket.token, HERE, at(4)).await.unwrap().expires, at(5));
    for seconds in [5, 6] {
        let refused = rig.tickets.sell(&brief, ROUTE, None, at(seconds)).await.unwrap_err();
        assert_eq!(refused.rejection(), Rejection::TokenExpired);
    }
    // A store that is behind hands it out.
    let record = |until, expires| Record {
        principal: KeptPrincipal::of(&Principal { expires, ..principal("alice") }),
        route: ROUTE.into(),
        origin: None,
        until,
    };
    let issuers = ["https://idp.example/".into()];
    let door = Door { route: ROUTE, origin: None, issuers: &issuers };
    let said = |record: Record| record.judge(&door, at(5)).map_err(|refused| refused.rejection);
    assert_eq!(said(record(at(6), at(5))).unwrap_err(), Rejection::TokenExpired);
    assert_eq!(said(record(at(5), at(6))).unwrap_err(), Rejection::TicketUnknown);
    assert!(said(record(at(6), at(6))).is_ok());
}

#[tokio::test]
async fn there_are_so_many_tickets_and_no_more() {
    let rig = Rig::new(TicketPolicy { each: 3, all: 5, ..TicketPolicy::default() });
    let sell = async |subject: &str, now| {
        let sold = rig.tickets.sell(&principal(subject), ROUTE, None, now).await;
        sold.map(|ticket| ticket.token).map_err(|error| error.rejection())
    };
    let first = sell("alice", NOW).await.unwrap();
    for _ in 0..2 {
        sell("alice", NOW).await.unwrap();
    }
    assert_eq!(sell("alice", NOW).await.unwrap_err(), Rejection::TooManyAttempts);
    sell("bob", NOW).await.unwrap();
    // What was redeemed makes room.
    redeem(&rig.tickets, &first, HERE, NOW).await.unwrap();
    sell("alice", NOW).await.unwrap();
    sell("bob", NOW).await.unwrap();
    let full = sell("bob", NOW).await.unwrap_err();
    assert_eq!(full, Rejection::Unavailable);
    assert_eq!(full.answer().retry, Retry::BackOff);
    // So does time.
    assert!(sell("alice", at(20)).await.is_ok());
    // The same name of another issuer is another buyer.
    let namesake = Principal { issuer: "https://b.example/".into(), ..principal("alice") };
    for _ in 0..3 {
        rig.tickets.sell(&namesake, ROUTE, None, at(20)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_a_ticket_is_refused_without_asking_the_store() {
    let rig = rig();
    let token = rig.sell(None).await;
    let text = String::from_utf8(token.expose().to_vec()).unwrap();
    rig.shelf.fail();
    let bad = [
        String::new(),
        "vst_".to_owned(),
        text.replace("vst_", "vss_"),
        text.replace("vst_", "VST_"),
        text.replace("vst_", ""),
        format!("{text}="),
        format!("{text}A"),
        format!(" {text}"),
        format!("vst_{}", "A".repeat(5000)),
        text.chars().take(text.len() - 1).collect(),
    ];
    for bad in bad {
        let said = redeem(&rig.tickets, &Secret::new(bad.clone()), HERE, NOW).await;
        assert_eq!(said, Err(Rejection::TicketUnknown), "{bad}");
    }
    // And what is one is not refused for ever by a store that cannot answer.
    assert_eq!(redeem(&rig.tickets, &token, HERE, NOW).await, Err(Rejection::Unavailable));
    let unsold = rig.tickets.sell(&principal("alice"), ROUTE, None, NOW).await.unwrap_err();
    assert_eq!(unsold.rejection(), Rejection::Unavailable);
    rig.shelf.mend();
    assert!(redeem(&rig.tickets, &token, HERE, NOW).await.is_ok());
}

#[tokio::test]
async fn one_that_is_a_bit_off_is_another_and_burns_nothing() {
    let rig = rig();
    let token = rig.sell(None).await;
    for bit in 0..token.expose().len() * 8 {
        let mut bytes = token.expose().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let said = redeem(&rig.tickets, &Secret::new(bytes), HERE, NOW).await;
        // A bit of its end may make it one that says that it is over.
        let other = [Err(Rejection::TicketUnknown), Err(Rejection::TicketExpired)];
        assert!(other.contains(&said), "{bit}: {said:?}");
    }
    assert!(redeem(&rig.tickets, &token, HERE, NOW).await.is_ok());
}

#[test]
fn of_a_thousand_who_redeem_one_ticket_at_once_one_gets_in() {
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    for _ in 0..5 {
        let rig = rig();
        let token = runtime().block_on(rig.sell(Some(PAGE)));
        let (threads, each) = (8, 125);
        let start = Arc::new(Barrier::new(threads));
        let redeemers: Vec<_> = (0..threads)
            .map(|_| {
                let (tickets, token) = (rig.tickets.clone(), token.clone());
                let start = Arc::clone(&start);
                thread::spawn(move || {
                    start.wait();
                    runtime().block_on(async {
                        let mut said = Vec::new();
                        for _ in 0..each {
                            said.push(redeem(&tickets, &token, HERE, NOW).await.map(drop));
                        }
                        said
                    })
                })
            })
            .collect();
        let said: Vec<_> =
            redeemers.into_iter().flat_map(|redeemer| redeemer.join().unwrap()).collect();
        assert_eq!(said.len(), 1000);
        assert_eq!(said.iter().filter(|said| said.is_ok()).count(), 1);
        assert!(said.iter().all(|said| matches!(said, Ok(()) | Err(Rejection::TicketReplayed))));
    }
}

#[tokio::test]
async fn nothing_of_a_ticket_is_kept_or_printed() {
    let rig = rig();
    let ticket = rig.tickets.sell(&principal("alice"), ROUTE, Some(PAGE), NOW).await.unwrap();
    let text = String::from_utf8(ticket.token.expose().to_vec()).unwrap();
    let body = text.strip_prefix("vst_").unwrap();
    let bytes = opaque::bytes_of::<BYTES>("vst_", &ticket.token).unwrap();
    let secret = &bytes[UNTIL_BYTES..];
    let kept = rig.shelf.bytes();
    let has = |needle: &[u8]| kept.windows(needle.len()).any(|window| window == needle);
    assert!(has(b"alice") && !has(body.as_bytes()) && !has(secret));
    let printed = format!("{ticket:?} {:?}", rig.tickets);
    assert!(!printed.contains(body) && !printed.contains("alice"), "{printed}");
}
