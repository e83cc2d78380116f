//! The tests that every [`Store`] passes. [`store_contract!`](crate::store_contract) makes them
//! tests of a crate:
//!
//! ```ignore
//! vestibule_authority::store_contract!(|| MyStore::connect());
//! ```
//!
//! Each test begins with a store that nobody else uses and that holds nothing.

#![expect(clippy::missing_panics_doc, reason = "to panic is how a test fails")]

use std::{
    future::Future,
    sync::{Arc, Barrier},
    time::Duration,
};

use vestibule_core::time::UnixTime;

use super::{
    Action, Answer, Change, Committed, Digest, Entry, Event, Expect, Fleeting, Kept, Page,
    Position, Rate, Room, Space, Spent, Store, Table, Taken,
};

mod feed;
mod fleeting;
mod model;
mod records;

pub use self::{feed::*, fleeting::*, model::*, records::*};

/// Makes a test of each rule of [`crate::store`]. Takes an `Fn() -> Arc<dyn Store>`, which is called
/// once in each test, for a store that is empty and that nobody else uses. Needs `tokio` with `rt`
/// and `macros`.
#[macro_export]
macro_rules! store_contract {
    ($make:expr) => {
        $crate::store_contract! { @each $make;
            a_batch_happens_as_a_whole_or_not_at_all
            conditions_are_judged_before_the_first_change_of_a_batch
            of_many_who_change_one_version_one_succeeds
            of_many_who_add_one_record_one_succeeds
            a_version_never_comes_back
            a_record_that_is_over_is_not_there
            a_record_lives_by_the_end_that_it_was_given_last
            lists_come_in_pages_in_the_order_of_bytes
            tables_do_not_mix
            what_is_too_long_is_refused_and_changes_nothing
            a_late_follower_learns_what_still_holds
            a_follower_waits_for_what_comes
            a_follower_misses_nothing_while_many_append
            whoever_was_away_learns_what_was_taken_back
            an_event_is_kept_as_long_as_the_one_it_replaced_would_have_been
            what_has_been_over_for_long_leaves_the_feed
            a_position_is_never_used_again
            of_a_thousand_who_take_one_thing_one_gets_it
            a_name_is_kept_once
            of_many_who_keep_one_name_one_succeeds
            a_thing_is_gone_at_its_end_and_its_name_is_known_until_then
            spaces_do_not_mix
            there_is_no_more_than_there_is_room_for
            many_who_keep_at_once_stay_within_the_room
            attempts_are_granted_in_a_burst_and_then_one_by_one
            an_attempt_that_is_refused_costs_nothing
            many_attempts_at_once_are_no_more_than_the_burst
        }

        #[test]
        fn it_does_what_the_model_does() {
            $crate::store::contract::it_does_what_the_model_does(&$make);
        }
    };
    (@each $make:expr; $($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                $crate::store::contract::$name(($make)()).await;
            }
        )*
    };
}

/// When the tests begin.
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// How many threads ask at once.
const CROWD: usize = 16;

fn later(seconds: u64) -> UnixTime {
    NOW.after(Duration::from_secs(seconds))
}

/// A hash of that number, for what a test cares.
fn digest(number: usize) -> Digest {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(number.to_be_bytes()) {
        *to = from;
    }
    digest
}

#[expect(clippy::panic, reason = "to panic is how a test fails")]
fn fail(error: &dyn std::fmt::Display) -> ! {
    panic!("{error}")
}

/// The answer, which the test demands.
async fn ok<T>(answer: Answer<'_, T>) -> T {
    match answer.await {
        Ok(answer) => answer,
        Err(error) => fail(&error),
    }
}

/// What comes of asking the store from many threads at the same time.
async fn together<T, F>(
    store: &Arc<dyn Store>,
    ask: impl Fn(usize, Arc<dyn Store>) -> F + Clone + Send + 'static,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let start = Arc::new(Barrier::new(CROWD));
    let asking: Vec<_> = (0..CROWD)
        .map(|number| {
            let (store, start, ask) = (Arc::clone(store), Arc::clone(&start), ask.clone());
            let runtime = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || {
                start.wait();
                runtime.block_on(ask(number, store))
            })
        })
        .collect();
    let mut answers = Vec::new();
    for answer in asking {
        match answer.await {
            Ok(answer) => answers.push(answer),
            Err(error) => fail(&error),
        }
    }
    answers
}
