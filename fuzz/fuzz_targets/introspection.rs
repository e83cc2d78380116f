//! What an issuer answers about a token: no panic, and nobody gets in whom the answer does not name as
//! somebody's for us.
#![no_main]

use std::{sync::LazyLock, time::Duration};

use libfuzzer_sys::fuzz_target;
use vestibule_core::time::UnixTime;
use vestibule_verify::{
    introspection::Answer,
    jwt::{Binding, Expectations, Holder},
};

static EXPECTED: LazyLock<Expectations> =
    LazyLock::new(|| Expectations::new("https://idp.example/", ["chat"]));

const NOW: UnixTime = UnixTime::from_secs(1_000_000);

fuzz_target!(|data: &[u8]| {
    let Ok(Answer::Active(active)) = Answer::parse(data) else { return };
    // A reader that forgives more sees the same: it is JSON, and says yes.
    let said: serde_json::Value = serde_json::from_slice(data).expect("what was read is JSON");
    assert_eq!(said["active"], true);
    let Ok(checked) = active.check(&EXPECTED, Duration::from_secs(60), NOW) else { return };
    let principal = checked.principal();
    assert_eq!(said["sub"], *principal.subject);
    assert!(!principal.subject.is_empty());
    assert!(said["iss"].is_null() || said["iss"] == "https://idp.example/");
    let audience = &said["aud"];
    assert!(
        *audience == "chat"
            || audience.as_array().is_some_and(|all| all.iter().any(|one| one == "chat"))
    );
    assert_eq!(said["cnf"].is_null(), checked.binding() == Binding::Unbound);
    let is =
        |kind: &str| said["token_type"].as_str().is_some_and(|is| is.eq_ignore_ascii_case(kind));
    assert!(is("bearer") || (is("dpop") && matches!(checked.binding(), Binding::Key(_))));
    assert!(checked.ends() > NOW);
    if said["exp"].is_null() {
        assert_eq!(principal.expires, NOW.after(Duration::from_secs(60)));
    }
    let bound = checked.binding() != Binding::Unbound;
    assert_eq!(checked.held_by(&Holder::BEARER, NOW).is_err(), bound);
});
