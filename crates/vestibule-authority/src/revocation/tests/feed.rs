use std::{sync::Arc, time::Duration};

use vestibule_core::time::UnixTime;

use super::{at, everything, new, open, principal, subject, token};
use crate::{
    limits,
    revocation::{
        Announcement, Bringer, FeedState, NewRevocation, Revocation, RevocationError, Revocations,
    },
    store::{Event, Position, Store},
    tests::{rig::NOW, shelf::Shelf},
};

struct Node {
    revocations: Arc<Revocations>,
    following: tokio::task::JoinHandle<()>,
}

impl Node {
    async fn start(shelf: &Arc<Shelf>) -> Self {
        let revocations = open(shelf).await;
        let following = tokio::spawn(Arc::clone(&revocations).follow(|| NOW));
        Self { revocations, following }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.following.abort();
    }
}

fn event(key: &str, value: &[u8]) -> Event {
    Event { key: key.into(), value: Some(value.into()), until: None }
}

#[tokio::test]
async fn a_revocation_of_one_node_reaches_the_others_and_outlives_all() {
    let shelf = Arc::default();
    let (one, two) = (Node::start(&shelf).await, Node::start(&shelf).await);
    let mut hears = two.revocations.announcements();
    let made = one.revocations.revoke(new(token("idp", "t")), NOW).await.unwrap();
    assert_eq!(hears.next().await, Some(Announcement::Revoked(Arc::new(made.clone()))));
    assert!(two.revocations.covers(&principal("alice")));
    drop((one, two));
    let three = open(&shelf).await;
    assert!(three.covers(&principal("alice")));
    assert_eq!(*three.list(None, 9, NOW)[0], made);
}

#[tokio::test]
async fn what_one_node_lifts_holds_nowhere() {
    let shelf = Arc::default();
    let (one, two) = (Node::start(&shelf).await, Node::start(&shelf).await);
    let mut hears = two.revocations.announcements();
    let made = one.revocations.revoke(new(token("idp", "t")), NOW).await.unwrap();
    assert!(one.revocations.lift(&made.id, NOW).await.unwrap().is_some());
    let next = one.revocations.revoke(new(token("idp", "u")), NOW).await.unwrap();
    while hears.next().await != Some(Announcement::Revoked(Arc::new(next.clone()))) {}
    for node in [&one, &two] {
        assert!(!node.revocations.covers(&principal("alice")));
        assert_eq!(node.revocations.len(), 1);
    }
    assert!(!open(&shelf).await.covers(&principal("alice")));
}

#[tokio::test]
async fn what_the_feed_brings_late_does_not_undo_a_lift() {
    let shelf = Arc::new(Shelf::default());
    let revocations = open(&shelf).await;
    let made = revocations.revoke(new(token("idp", "t")), NOW).await.unwrap();
    revocations.lift(&made.id, NOW).await.unwrap();
    let mut hears = revocations.announcements();
    // The feed had not been read; it brings both, the old one too.
    let late = event(&format!("revocation/{}", made.id), &made.to_bytes().unwrap());
    revocations.apply(Position(2), late.clone()).unwrap();
    assert!(!revocations.covers(&principal("alice")));
    assert_eq!(hears.try_next(), None);
    // Made again afterwards, it holds.
    revocations.revoke(new(token("idp", "t")), NOW).await.unwrap();
    assert!(revocations.covers(&principal("alice")));
}

#[tokio::test]
async fn who_revoked_and_was_overtaken_by_a_lift_does_not_undo_it() {
    let shelf = Arc::new(Shelf::default());
    let revocations = open(&shelf).await;
    let made = new(token("idp", "t")).made(NOW).unwrap();
    // The feed brought both before the one who appended the first came to apply it.
    let key = format!("revocation/{}", made.id);
    revocations.apply(Position(2), event(&key, &made.to_bytes().unwrap())).unwrap();
    let lift = Event { key: key.into(), value: None, until: None };
    revocations.apply(Position(3), lift).unwrap();
    revocations.index_mut().read_up_to(Position(3));
    assert!(revocations.hold(Position(2), made, Bringer::Maker).is_none());
    assert!(revocations.is_empty() && !revocations.covers(&principal("alice")));
}

#[tokio::test]
async fn two_nodes_that_revoke_at_once_keep_what_covers_more() {
    let shelf = Arc::default();
    // Neither follows yet, so that neither knows of the other.
    let (one, two) = (open(&shelf).await, open(&shelf).await);
    let made =
        |before| NewRevocation { issued_before: Some(at(before)), ..new(subject(None, "alice")) };
    one.revoke(made(10), NOW).await.unwrap();
    two.revoke(made(5), NOW).await.unwrap();
    // The store now keeps the weaker one; whoever knows both puts that right.
    let following = tokio::spawn(Arc::clone(&one).follow(|| NOW));
    let mut hears = two.announcements();
    let follows = tokio::spawn(Arc::clone(&two).follow(|| NOW));
    let strong =
        |said: &Announcement| matches!(said, Announcement::Revoked(r) if r.issued_before == at(10));
    while !hears.next().await.is_some_and(|said| strong(&said)) {}
    following.abort();
    follows.abort();
    assert_eq!(open(&shelf).await.covering(&principal("alice")), Some(at(10)));
}

#[tokio::test]
async fn a_revocation_that_is_not_kept_is_not_acknowledged() {
    let shelf = Arc::new(Shelf::default());
    let revocations = open(&shelf).await;
    shelf.fail();
    let refused = revocations.revoke(new(token("idp", "t")), NOW).await;
    assert!(matches!(refused, Err(RevocationError::Store(_))), "{refused:?}");
    assert!(revocations.lift("x", NOW).await.unwrap().is_none());
    let store: Arc<dyn Store> = Arc::<Shelf>::clone(&shelf);
    assert!(Revocations::open(store, NOW).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_fails_is_tried_again_and_shown() {
    let shelf = Arc::new(Shelf::default());
    let (one, two) = (open(&shelf).await, Node::start(&shelf).await);
    let mut hears = two.revocations.announcements();
    assert_eq!(two.revocations.readiness().state, FeedState::Following);
    tokio::task::yield_now().await;
    shelf.fail();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let readiness = two.revocations.readiness();
    assert_eq!(readiness.state, FeedState::Failing);
    assert!(!readiness.is_ready() && readiness.failing_for > Some(Duration::from_secs(19)));
    assert_eq!(readiness.last_error.as_deref(), Some("the shelf is broken"));
    shelf.mend();
    // Nothing happens on the feed, and yet it is known to be back.
    tokio::time::sleep(limits::FEED_RETRY_LONGEST).await;
    assert!(two.revocations.readiness().is_ready());
    one.revoke(new(everything(None)), NOW).await.unwrap();
    assert!(matches!(hears.next().await, Some(Announcement::Revoked(_))));
}

#[tokio::test]
async fn what_cannot_be_read_is_not_taken_for_nothing() {
    let good = NewRevocation { until: Some(at(1)), ..new(subject(Some("idp"), "alice")) };
    let good = good.made(NOW).unwrap();
    assert_eq!(Revocation::from_bytes(&good.to_bytes().unwrap()).unwrap(), good);
    let text = String::from_utf8(good.to_bytes().unwrap().into()).unwrap();
    let extended = text.replacen('{', r#"{"new":[1],"#, 1);
    assert_eq!(Revocation::from_bytes(extended.as_bytes()).unwrap(), good);
    let faults = [
        text.replace("\"v\":1", "\"v\":2"),
        text.replace("subject", "planet"),
        text.replace("\"name\":\"alice\"", "\"name\":null"),
        text.replacen('{', "", 1),
    ];
    for fault in faults {
        let shelf = Arc::new(Shelf::default());
        let live = Node::start(&shelf).await;
        shelf.append(event("revocation/x", fault.as_bytes()), NOW).await.unwrap();
        let store: Arc<dyn Store> = Arc::<Shelf>::clone(&shelf);
        assert!(Revocations::open(store, NOW).await.is_err(), "{fault}");
        // Who is running goes on with the others, and says so.
        let mut hears = live.revocations.announcements();
        live.revocations.revoke(new(token("idp", "t")), NOW).await.unwrap();
        hears.next().await.unwrap();
        while live.revocations.readiness().state == FeedState::Following {
            tokio::task::yield_now().await;
        }
        assert_eq!(live.revocations.readiness().state, FeedState::Damaged, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_forgotten_in_the_background() {
    let shelf = Arc::default();
    let revocations = open(&shelf).await;
    let ends = NewRevocation { until: Some(UnixTime::from_secs(1)), ..new(token("idp", "t")) };
    revocations.revoke(ends, NOW).await.unwrap();
    let following = tokio::spawn(Arc::clone(&revocations).follow(|| NOW));
    tokio::time::sleep(limits::REVOCATION_SWEEP * 2).await;
    assert!(revocations.is_empty());
    following.abort();
}

#[tokio::test]
async fn what_was_made_here_is_announced_once_though_the_feed_brings_it_too() {
    let shelf = Arc::default();
    let node = Node::start(&shelf).await;
    let mut hears = node.revocations.announcements();
    for id in ["t", "u", "v"] {
        let made = node.revocations.revoke(new(token("idp", id)), NOW).await.unwrap();
        let read = || node.revocations.index().position();
        // The mark was the first.
        while read() < Position(u64::try_from(node.revocations.len()).unwrap() + 1) {
            tokio::task::yield_now().await;
        }
        assert_eq!(hears.try_next(), Some(Announcement::Revoked(Arc::new(made))));
        assert_eq!(hears.try_next(), None);
    }
}
