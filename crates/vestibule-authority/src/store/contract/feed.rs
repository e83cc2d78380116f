//! The feed: appended to, and followed by those who come late and those who were away.

use std::collections::BTreeMap;

use super::{Arc, Event, NOW, Position, Store, UnixTime, later, ok, together};
use crate::limits;

fn event(key: &str, value: Option<&str>, until: Option<UnixTime>) -> Event {
    Event { key: key.into(), value: value.map(|value| value.as_bytes().into()), until }
}

/// What is in the feed after a position: appends a mark, and reads up to it.
pub(super) async fn drain(
    store: &Arc<dyn Store>,
    mut after: Position,
    now: UnixTime,
) -> Vec<(Position, Event)> {
    let mark = ok(store.append(event("mark", Some(""), None), now)).await;
    let mut drained = Vec::new();
    while after < mark {
        let more = ok(store.follow(after)).await;
        assert!(more.len() <= limits::EVENTS_AT_ONCE, "{}", more.len());
        assert!(!more.is_empty(), "a follower waits while there is nothing");
        for (position, event) in more {
            assert!(position > after, "{position:?} came after {after:?}");
            after = position;
            drained.push((position, event));
        }
    }
    drained.retain(|(_, event)| &*event.key != "mark");
    drained
}

fn told(events: &[(Position, Event)]) -> String {
    let one = |(_, event): &(Position, Event)| {
        let value = event.value.as_deref().map(String::from_utf8_lossy);
        format!("{}={}", event.key, value.as_deref().unwrap_or("-"))
    };
    events.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// From the start: the last value under each key, in the order of these.
pub async fn a_late_follower_learns_what_still_holds(store: Arc<dyn Store>) {
    let mut positions = Vec::new();
    for (key, value) in [("a", "1"), ("b", "1"), ("c", "1"), ("a", "2"), ("b", "2")] {
        let appended = event(key, Some(value), Some(later(100)));
        positions.push(ok(store.append(appended, NOW)).await);
    }
    assert!(positions.is_sorted() && positions.first() > Some(&Position::START));
    let events = drain(&store, Position::START, NOW).await;
    assert_eq!(told(&events), "c=1 a=2 b=2");
    let expected: Vec<_> = positions.into_iter().skip(2).collect();
    assert_eq!(events.iter().map(|(position, _)| *position).collect::<Vec<_>>(), expected);
    assert!(events.iter().all(|(_, event)| event.until == Some(later(100))));
}

/// Somebody who waits is told; somebody who no longer waits takes nothing away.
pub async fn a_follower_waits_for_what_comes(store: Arc<dyn Store>) {
    let first = ok(store.append(event("a", Some("1"), None), NOW)).await;
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { ok(store.follow(first)).await })
        })
        .collect();
    let gone = tokio::spawn({
        let store = Arc::clone(&store);
        async move { ok(store.follow(first)).await }
    });
    // Everybody has asked before there is an answer.
    tokio::task::yield_now().await;
    gone.abort();
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    let second = ok(store.append(event("b", Some("2"), None), NOW)).await;
    for waiting in waiting {
        let heard = waiting.await.unwrap_or_default();
        assert_eq!(told(&heard), "b=2");
        assert_eq!(heard.first().map(|(position, _)| *position), Some(second));
    }
}

/// What is acknowledged while somebody follows is told to him, once, in order, however much it is.
pub async fn a_follower_misses_nothing_while_many_append(store: Arc<dyn Store>) {
    const EACH: usize = 70;
    let following = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let (mut after, mut heard) = (Position::START, BTreeMap::new());
            while heard.len() < super::CROWD * EACH {
                for (position, event) in ok(store.follow(after)).await {
                    assert!(position > after, "{position:?} came after {after:?}");
                    after = position;
                    heard.insert(position, event.key);
                }
            }
            heard
        }
    });
    let appended = together(&store, async |number, store| {
        let mut appended = Vec::new();
        for round in 0..EACH {
            let key = format!("{number}/{round}");
            let position = ok(store.append(event(&key, Some("1"), None), NOW)).await;
            appended.push((position, key.into_boxed_str()));
        }
        appended
    })
    .await;
    let appended: BTreeMap<_, _> = appended.into_iter().flatten().collect();
    assert!(appended.len() > limits::EVENTS_AT_ONCE, "more than fits at once");
    assert_eq!(following.await.ok(), Some(appended.clone()));
    let late = drain(&store, Position::START, NOW).await;
    assert!(late.into_iter().map(|(position, event)| (position, event.key)).eq(appended));
}

/// A value that is taken back is taken back from those who know it.
pub async fn whoever_was_away_learns_what_was_taken_back(store: Arc<dyn Store>) {
    let known = ok(store.append(event("a", Some("1"), Some(later(100))), NOW)).await;
    let taken_back = ok(store.append(event("a", None, None), NOW)).await;
    assert!(known < taken_back);
    assert_eq!(told(&drain(&store, known, NOW).await), "a=-");
    // To whoever comes new it may be told or not; it does not hold.
    let new = told(&drain(&store, Position::START, NOW).await);
    assert!(new == "a=-" || new.is_empty(), "{new}");
    ok(store.append(event("a", Some("2"), None), NOW)).await;
    assert_eq!(told(&drain(&store, Position::START, NOW).await), "a=2");
}

/// Else whoever knows only the replaced one believes in it until its own end.
pub async fn an_event_is_kept_as_long_as_the_one_it_replaced_would_have_been(
    store: Arc<dyn Store>,
) {
    let far = 1_000_000;
    let known = ok(store.append(event("a", Some("1"), Some(later(far))), NOW)).await;
    ok(store.append(event("a", Some("2"), Some(later(1))), NOW)).await;
    ok(store.append(event("a", None, Some(later(1))), NOW)).await;
    for round in 0..10 {
        let other = event("other", Some(&round.to_string()), None);
        ok(store.append(other, later(far - 1))).await;
    }
    assert_eq!(told(&drain(&store, known, later(far - 1)).await), "a=- other=9");
}

/// The feed does not grow for ever.
pub async fn what_has_been_over_for_long_leaves_the_feed(store: Arc<dyn Store>) {
    for number in 0..20 {
        let key = format!("a/{number}");
        ok(store.append(event(&key, Some("1"), Some(later(10))), NOW)).await;
        let taken_back = format!("b/{number}");
        ok(store.append(event(&taken_back, Some("1"), Some(later(10))), NOW)).await;
        ok(store.append(event(&taken_back, None, None), NOW)).await;
        ok(store.append(event(&format!("c/{number}"), None, None), NOW)).await;
    }
    let long = later(10).after(limits::KEPT_AFTER_END);
    for number in 0..50 {
        let key = format!("new/{number}");
        ok(store.append(event(&key, Some("1"), Some(long.after(limits::KEPT_AFTER_END))), long))
            .await;
    }
    let left = drain(&store, Position::START, long).await;
    assert_eq!(left.len(), 50, "{}", told(&left));
}

/// A follower that stands at the end of the feed misses nothing when the end is taken out.
pub async fn a_position_is_never_used_again(store: Arc<dyn Store>) {
    let mut last = Position::START;
    for round in 0..5 {
        let until = Some(later(round));
        let position = ok(store.append(event("a", Some("1"), until), later(round))).await;
        assert!(position > last);
        let long = later(round).after(limits::KEPT_AFTER_END * 2);
        last = ok(store.append(event("b", Some("1"), Some(later(round))), long)).await;
        assert!(last > position);
        last = ok(store.append(event("a", None, None), long)).await;
    }
    ok(store.append(event("c", Some("1"), None), later(10))).await;
    assert_eq!(told(&drain(&store, last, later(10)).await), "c=1");
}
