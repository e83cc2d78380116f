use std::time::Duration;

use super::*;
use crate::store::Room;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn digest(number: u64) -> Digest {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    digest
}

fn later(seconds: u64) -> UnixTime {
    NOW.after(Duration::from_secs(seconds))
}

fn thing(name: u64, owner: u64, until: UnixTime) -> Fleeting {
    Fleeting {
        space: Space::Ticket,
        name: digest(name),
        owner: digest(owner),
        value: b"value".to_vec().into(),
        until,
        room: Room { each: 10, all: 1000 },
    }
}

fn is_value(taken: &Taken) -> bool {
    matches!(taken, Taken::Value(value) if value.as_slice() == b"value")
}

#[test]
fn what_is_over_leaves_nothing_behind() {
    let memory = FleetingMemory::new();
    for name in 0..1000 {
        assert_eq!(memory.keep(thing(name, name / 10, later(20)), NOW).unwrap(), Kept::Done);
        if name % 2 == 0 {
            assert!(is_value(&memory.take(Space::Ticket, digest(name), NOW).unwrap()));
        }
    }
    assert_eq!(memory.things.census(), (500, 500, 100));
    // Each call clears a few away; none is looked up.
    for name in 0..2000 {
        let taken = memory.take(Space::Ticket, digest(5000 + name), later(20)).unwrap();
        assert!(matches!(taken, Taken::Nothing));
    }
    assert_eq!(memory.things.census(), (0, 0, 0));
    assert!(format!("{memory:?}").contains("bytes: 0"), "{memory:?}");
}

#[test]
fn a_full_space_makes_room_of_what_is_over_and_of_nothing_else() {
    let memory = FleetingMemory::new();
    for name in 0..1000 {
        let until = if name == 7 { later(1) } else { later(20) };
        assert_eq!(memory.keep(thing(name, name, until), NOW).unwrap(), Kept::Done);
    }
    assert_eq!(memory.keep(thing(2000, 2000, later(20)), NOW).unwrap(), Kept::Full);
    assert_eq!(memory.keep(thing(2000, 2000, later(20)), later(1)).unwrap(), Kept::Done);
    assert_eq!(memory.keep(thing(2001, 2001, later(20)), later(1)).unwrap(), Kept::Full);
}

#[test]
fn taken_names_that_fill_their_memory_stop_new_ones_until_they_are_over() {
    let things = Things::new(100, 1_000_000);
    for name in 0..100 {
        assert_eq!(things.keep(thing(name, 1, later(20)), NOW).unwrap(), Kept::Done);
        assert!(is_value(&things.take((Space::Ticket, digest(name)), NOW).unwrap()));
    }
    let next = |until| thing(u64::MAX, 1, until);
    assert_eq!(things.keep(next(later(20)), later(19)).unwrap(), Kept::Full);
    let first = things.take((Space::Ticket, digest(0)), later(19)).unwrap();
    assert!(matches!(first, Taken::Spent));
    let other = Fleeting { space: Space::Challenge, ..next(later(20)) };
    assert_eq!(things.keep(other, later(19)).unwrap(), Kept::Done);
    assert_eq!(things.keep(next(later(40)), later(20)).unwrap(), Kept::Done);
}

#[test]
fn values_together_stay_within_their_bytes() {
    let things = Things::new(100, 10_000);
    let large = |name| Fleeting { value: vec![0; 1000].into(), ..thing(name, name, later(20)) };
    for name in 0..10 {
        assert_eq!(things.keep(large(name), NOW).unwrap(), Kept::Done);
    }
    // What is refused takes no place.
    for _ in 0..1000 {
        assert_eq!(things.keep(large(10), NOW).unwrap(), Kept::Full);
    }
    let _value = things.take((Space::Ticket, digest(3)), NOW).unwrap();
    for name in [20, 21] {
        let small = Fleeting { value: vec![0; 500].into(), ..large(name) };
        assert_eq!(things.keep(small, NOW).unwrap(), Kept::Done);
    }
    assert_eq!(things.keep(large(11), NOW).unwrap(), Kept::Full);
    assert_eq!(things.keep(large(11), later(20)).unwrap(), Kept::Done);

    let too_large = Fleeting { value: vec![0; limits::FLEETING_BYTES + 1].into(), ..large(0) };
    things.keep(too_large, NOW).unwrap_err();
}

#[test]
fn a_name_that_is_used_again_ends_by_its_own_date() {
    let memory = FleetingMemory::new();
    assert_eq!(memory.keep(thing(1, 1, later(10)), NOW).unwrap(), Kept::Done);
    // So many were over before it that its own end has not come up yet.
    for name in 1000..1900 {
        assert_eq!(memory.keep(thing(name, name, later(5)), NOW).unwrap(), Kept::Done);
    }
    assert_eq!(memory.keep(thing(1, 1, later(30)), later(10)).unwrap(), Kept::Done);
    for name in 2000..4000 {
        let taken = memory.take(Space::Ticket, digest(name), later(20)).unwrap();
        assert!(matches!(taken, Taken::Nothing));
    }
    assert_eq!(memory.things.census(), (1, 0, 1));
    assert!(is_value(&memory.take(Space::Ticket, digest(1), later(29)).unwrap()));
    assert!(matches!(memory.take(Space::Ticket, digest(1), later(29)).unwrap(), Taken::Spent));
    assert!(matches!(memory.take(Space::Ticket, digest(1), later(30)).unwrap(), Taken::Nothing));
}

const RATE: Rate = Rate { burst: 5, every: Duration::from_secs(10) };

fn try_all(counters: &mut Counters, names: std::ops::Range<u64>, times: u32) {
    for name in names {
        for _ in 0..times {
            assert_eq!(counters.spend((Space::Account, digest(name)), RATE, NOW), Spent::Granted);
        }
    }
}

#[test]
fn a_flood_of_names_does_not_give_the_attacked_account_new_attempts() {
    let mut counters = Counters::new(100);
    let attacked = (Space::Account, digest(1));
    try_all(&mut counters, 1..2, 5);
    for name in 1000..100_000 {
        assert_eq!(counters.spend((Space::Account, digest(name)), RATE, NOW), Spent::Granted);
        assert!(counters.len() <= 100);
    }
    let wait = Spent::Wait(Duration::from_secs(10));
    assert_eq!(counters.spend(attacked, RATE, NOW), wait);
}

#[test]
fn a_table_of_strained_counters_still_counts_a_new_name() {
    let mut counters = Counters::new(100);
    try_all(&mut counters, 1000..1100, 5);
    try_all(&mut counters, 1..2, 5);
    let name = (Space::Account, digest(1));
    assert!(matches!(counters.spend(name, RATE, NOW), Spent::Wait(_)));
    assert_eq!(counters.len(), 100);
}

#[test]
fn spaces_do_not_push_each_other_out() {
    let mut counters = Counters::new(10);
    try_all(&mut counters, 1..2, 1);
    for name in 0..1000 {
        let name = (Space::Address, digest(name));
        assert_eq!(counters.spend(name, RATE, NOW), Spent::Granted);
    }
    try_all(&mut counters, 1..2, 4);
    assert!(matches!(counters.spend((Space::Account, digest(1)), RATE, NOW), Spent::Wait(_)));
}

#[test]
fn counters_that_are_full_again_are_forgotten() {
    let mut counters = Counters::new(1000);
    try_all(&mut counters, 0..1000, 1);
    for _ in 0..1000 {
        let refilled = later(10);
        let one = (Space::Account, digest(5000));
        let _granted = counters.spend(one, Rate { burst: 10_000, ..RATE }, refilled);
    }
    assert_eq!(counters.len(), 1);
}

#[test]
fn a_clock_that_goes_back_locks_nobody_out_for_longer_than_an_empty_bucket() {
    let mut counters = Counters::new(10);
    let name = (Space::Account, digest(1));
    assert_eq!(counters.spend(name, RATE, later(1_000_000)), Spent::Granted);
    assert_eq!(counters.spend(name, RATE, NOW), Spent::Wait(Duration::from_secs(10)));
    assert_eq!(counters.spend(name, RATE, later(10)), Spent::Granted);
    assert_eq!(counters.len(), 1);
}
