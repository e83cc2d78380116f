//! Fleeting things, and attempts.

use super::{
    Arc, CROWD, Duration, Fleeting, Kept, NOW, Rate, Room, Space, Spent, Store, Taken, UnixTime,
    digest, later, ok, together,
};

const ROOM: Room = Room { each: 3, all: 5 };

fn thing(name: usize, owner: usize, until: UnixTime) -> Fleeting {
    Fleeting {
        space: Space::Ticket,
        name: digest(name),
        owner: digest(owner),
        value: name.to_string().into_bytes().into(),
        until,
        room: ROOM,
    }
}

async fn take(store: &Arc<dyn Store>, name: usize, now: UnixTime) -> String {
    match ok(store.take(Space::Ticket, digest(name), now)).await {
        Taken::Value(value) => String::from_utf8_lossy(&value).into_owned(),
        Taken::Spent => "spent".to_owned(),
        Taken::Nothing => "nothing".to_owned(),
    }
}

/// And all others learn that it was there.
pub async fn of_a_thousand_who_take_one_thing_one_gets_it(store: Arc<dyn Store>) {
    const EACH: usize = 1008 / CROWD;
    for round in 0..5 {
        assert_eq!(ok(store.keep(thing(round, round, later(20)), NOW)).await, Kept::Done);
        let taken = together(&store, move |_number, store: Arc<dyn Store>| async move {
            let mut taken = Vec::new();
            for _ in 0..EACH {
                taken.push(take(&store, round, NOW).await);
            }
            taken
        })
        .await;
        let taken: Vec<_> = taken.into_iter().flatten().collect();
        let won = taken.iter().filter(|taken| **taken == round.to_string()).count();
        let late = taken.iter().filter(|taken| **taken == "spent").count();
        assert_eq!((won, late), (1, EACH * CROWD - 1));
    }
}

/// A name that is there, or was taken, is not kept again before the end of the first.
pub async fn a_name_is_kept_once(store: Arc<dyn Store>) {
    assert_eq!(ok(store.keep(thing(1, 1, later(20)), NOW)).await, Kept::Done);
    assert_eq!(ok(store.keep(thing(1, 1, later(20)), NOW)).await, Kept::Taken);
    let other = Fleeting { value: b"other".to_vec().into(), ..thing(1, 2, later(90)) };
    assert_eq!(ok(store.keep(other.clone(), later(19))).await, Kept::Taken);
    assert_eq!(take(&store, 1, NOW).await, "1");
    assert_eq!(ok(store.keep(other.clone(), later(19))).await, Kept::Taken);
    assert_eq!(take(&store, 1, later(19)).await, "spent");
    assert_eq!(ok(store.keep(other, later(20))).await, Kept::Done);
    assert_eq!(take(&store, 1, later(89)).await, "other");
}

/// Identifiers that count once rest on this.
pub async fn of_many_who_keep_one_name_one_succeeds(store: Arc<dyn Store>) {
    let kept = together(&store, async |number, store| {
        ok(store.keep(thing(7, number, later(20)), NOW)).await
    })
    .await;
    assert_eq!(kept.iter().filter(|kept| **kept == Kept::Done).count(), 1);
    assert_eq!(kept.iter().filter(|kept| **kept == Kept::Taken).count(), CROWD - 1);
}

/// Over at its end, not after it.
pub async fn a_thing_is_gone_at_its_end_and_its_name_is_known_until_then(store: Arc<dyn Store>) {
    for name in [1, 2] {
        assert_eq!(ok(store.keep(thing(name, 1, later(20)), NOW)).await, Kept::Done);
    }
    let last = UnixTime::from_millis(later(20).as_millis() - 1);
    assert_eq!(take(&store, 3, NOW).await, "nothing");
    assert_eq!(take(&store, 1, last).await, "1");
    assert_eq!(take(&store, 1, last).await, "spent");
    assert_eq!(take(&store, 1, later(20)).await, "nothing");
    assert_eq!(take(&store, 2, later(20)).await, "nothing");
}

/// The same name, owner and room in another space have nothing to do with each other.
pub async fn spaces_do_not_mix(store: Arc<dyn Store>) {
    for space in [Space::Ticket, Space::Challenge, Space::Replay] {
        for name in 0..3 {
            let thing = Fleeting { space, ..thing(name, 1, later(20)) };
            assert_eq!(ok(store.keep(thing, NOW)).await, Kept::Done);
        }
    }
    assert_eq!(take(&store, 1, NOW).await, "1");
    let other = ok(store.take(Space::Challenge, digest(1), NOW)).await;
    assert!(matches!(other, Taken::Value(_)), "{other:?}");
    let rate = Rate { burst: 1, every: Duration::from_secs(1) };
    for space in [Space::Account, Space::Address] {
        assert_eq!(ok(store.spend(space, digest(1), rate, NOW)).await, Spent::Granted);
    }
}

/// Of one owner, and in all. What is taken or over makes room.
pub async fn there_is_no_more_than_there_is_room_for(store: Arc<dyn Store>) {
    let keep = async |name, owner, until, now| ok(store.keep(thing(name, owner, until), now)).await;
    for name in 0..3 {
        assert_eq!(keep(name, 1, later(20), NOW).await, Kept::Done);
    }
    assert_eq!(keep(3, 1, later(20), NOW).await, Kept::OwnerFull);
    assert_eq!(keep(4, 2, later(10), NOW).await, Kept::Done);
    assert_eq!(keep(5, 3, later(20), NOW).await, Kept::Done);
    assert_eq!(keep(6, 4, later(20), NOW).await, Kept::Full);
    assert_eq!(take(&store, 0, NOW).await, "0");
    assert_eq!(keep(3, 1, later(20), NOW).await, Kept::Done);
    assert_eq!(keep(6, 4, later(20), later(9)).await, Kept::Full);
    assert_eq!(keep(6, 4, later(30), later(10)).await, Kept::Done);
    assert_eq!(keep(7, 1, later(30), later(19)).await, Kept::OwnerFull);
    assert_eq!(keep(7, 1, later(30), later(20)).await, Kept::Done);
    // What was refused is not there.
    assert_eq!(take(&store, 4, later(10)).await, "nothing");
}

/// The bounds hold when all come at once, and nothing that was kept is lost.
pub async fn many_who_keep_at_once_stay_within_the_room(store: Arc<dyn Store>) {
    let kept = together(&store, async |number, store| {
        let mut kept = Vec::new();
        for round in 0..20 {
            let name = number * 100 + round;
            kept.push((name, ok(store.keep(thing(name, number % 2, later(20)), NOW)).await));
        }
        kept
    })
    .await;
    let mut done = Vec::new();
    for (name, kept) in kept.into_iter().flatten() {
        if kept == Kept::Done {
            done.push(name);
        }
    }
    assert_eq!(done.len(), 5);
    for owner in 0..2 {
        assert!(done.iter().filter(|name| *name / 100 % 2 == owner).count() <= 3, "{done:?}");
    }
    for name in done {
        assert_eq!(take(&store, name, NOW).await, name.to_string());
    }
}

const RATE: Rate = Rate { burst: 5, every: Duration::from_secs(10) };

/// The generic cell rate algorithm.
pub async fn attempts_are_granted_in_a_burst_and_then_one_by_one(store: Arc<dyn Store>) {
    let spend = async |name, now| ok(store.spend(Space::Account, digest(name), RATE, now)).await;
    for _ in 0..5 {
        assert_eq!(spend(1, NOW).await, Spent::Granted);
    }
    assert_eq!(spend(1, NOW).await, Spent::Wait(Duration::from_secs(10)));
    assert_eq!(spend(2, NOW).await, Spent::Granted);
    assert_eq!(spend(1, later(4)).await, Spent::Wait(Duration::from_secs(6)));
    assert_eq!(spend(1, later(10)).await, Spent::Granted);
    assert_eq!(spend(1, later(10)).await, Spent::Wait(Duration::from_secs(10)));
    for _ in 0..2 {
        assert_eq!(spend(1, later(35)).await, Spent::Granted);
    }
    assert_eq!(spend(1, later(35)).await, Spent::Wait(Duration::from_secs(5)));
    for _ in 0..5 {
        assert_eq!(spend(1, later(1000)).await, Spent::Granted);
    }
    assert_eq!(spend(1, later(1000)).await, Spent::Wait(Duration::from_secs(10)));
    let never = Rate { burst: 0, ..RATE };
    let refused = ok(store.spend(Space::Account, digest(3), never, NOW)).await;
    assert_eq!(refused, Spent::Wait(Duration::from_secs(10)));
}

/// Else whoever knocks all the time keeps the owner of the account out for ever.
pub async fn an_attempt_that_is_refused_costs_nothing(store: Arc<dyn Store>) {
    for _ in 0..5 {
        let spent = ok(store.spend(Space::Address, digest(1), RATE, NOW)).await;
        assert_eq!(spent, Spent::Granted);
    }
    for _ in 0..100 {
        let spent = ok(store.spend(Space::Address, digest(1), RATE, later(9))).await;
        assert_eq!(spent, Spent::Wait(Duration::from_secs(1)));
    }
    let spent = ok(store.spend(Space::Address, digest(1), RATE, later(10))).await;
    assert_eq!(spent, Spent::Granted);
}

/// Guessing in parallel gains nothing.
pub async fn many_attempts_at_once_are_no_more_than_the_burst(store: Arc<dyn Store>) {
    let granted = together(&store, async |_number, store| {
        let mut granted = 0_usize;
        for _ in 0..20 {
            match ok(store.spend(Space::Account, digest(1), RATE, NOW)).await {
                Spent::Granted => granted += 1,
                Spent::Wait(_) => {}
            }
        }
        granted
    })
    .await;
    assert_eq!(granted.iter().sum::<usize>(), 5);
}
