use super::*;

fn password(text: &str) -> Password {
    Password::prepare(&Secret::new(text)).unwrap()
}

fn prepared(text: &str) -> Result<String, PasswordFault> {
    Password::prepare(&Secret::new(text)).map(|password| password.0.to_string())
}

#[test]
fn a_password_is_the_same_from_every_keyboard() {
    for (typed, hashed) in [
        ("correct horse", "correct horse"),
        ("  two  spaces  ", "  two  spaces  "),
        ("Stra\u{df}e Nr. 1", "Stra\u{df}e Nr. 1"),
        // Decomposed, as some systems type it.
        ("passwo\u{308}rter", "passw\u{f6}rter"),
        ("no\u{a0}break\u{3000}here", "no break here"),
        // Case counts, and so does compatibility: a fullwidth letter is another one.
        ("PASSWORD", "PASSWORD"),
        ("\u{ff50}assword", "\u{ff50}assword"),
        // The Angstrom sign is the letter.
        ("1234567\u{212b}", "1234567\u{c5}"),
    ] {
        assert_eq!(prepared(typed).as_deref(), Ok(hashed));
    }
}

#[test]
fn what_is_no_password_is_refused_with_its_reason() {
    for (text, fault) in [
        ("", PasswordFault::TooShort),
        ("1234567", PasswordFault::TooShort),
        // Eleven bytes as typed, seven in form.
        ("aaaaae\u{301}", PasswordFault::TooShort),
        ("12345678\0", PasswordFault::Control),
        ("12345678\n", PasswordFault::Control),
        ("1234\t5678", PasswordFault::Control),
        ("1234\u{2028}5678", PasswordFault::Control),
        ("1234\u{85}5678", PasswordFault::Control),
        (&"x".repeat(1025), PasswordFault::TooLong),
        // Composed characters that NFC decomposes: 1024 bytes become more.
        (&"\u{1d160}".repeat(256), PasswordFault::TooLong),
    ] {
        assert_eq!(prepared(text), Err(fault), "{text:?}");
    }
    assert_eq!(
        Password::prepare(&Secret::new(b"12345678\xff".as_slice())).unwrap_err(),
        PasswordFault::NotText
    );
    assert!(prepared("12345678").is_ok() && prepared(&"x".repeat(1024)).is_ok());
}

#[test]
fn a_hash_is_of_one_password_and_has_a_salt_of_its_own() {
    let cost = Cost::dangerous_cheap();
    let (one, other) = (password("12345678").hash(cost), password("12345678").hash(cost));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.as_str(), other.as_str());
    assert!(
        one.is_of(&password("12345678")).unwrap() && other.is_of(&password("12345678")).unwrap()
    );
    for wrong in ["12345679", "12345678 ", "123456789", "01234567"] {
        assert!(!one.is_of(&password(wrong)).unwrap());
    }
    let kept = PasswordHash::parse(one.as_str()).unwrap();
    assert!(kept.is_of(&password("12345678")).unwrap() && kept.cost() == cost);
}

#[test]
fn what_a_refusal_is_made_to_cost_does_not_change_the_answer() {
    let hash = password("12345678").hash(Cost::dangerous_cheap()).unwrap();
    for cost in [Cost::dangerous_cheap(), Cost::LEAST] {
        assert!(hash.is_of_at(&password("12345678"), cost).unwrap());
        assert!(!hash.is_of_at(&password("12345679"), cost).unwrap());
    }
    let dear = password("12345678").hash(Cost::LEAST).unwrap();
    assert!(dear.is_of_at(&password("12345678"), Cost::dangerous_cheap()).unwrap());
}

#[test]
fn the_whole_password_counts() {
    let long = "x".repeat(1023);
    let hash = password(&format!("{long}a")).hash(Cost::dangerous_cheap()).unwrap();
    assert!(!hash.is_of(&password(&format!("{long}b"))).unwrap());
    assert!(!hash.is_of(&password(&long)).unwrap());
}

/// Made by the reference implementation in C: salt `somesaltsomesalt`, 2 passes, 19456 KiB, 1 lane.
#[test]
fn a_hash_by_another_implementation_is_understood() {
    let text = include_str!("reference.txt").trim_end();
    let hash = PasswordHash::parse(text).unwrap();
    assert_eq!(hash.cost(), Cost::LEAST);
    assert!(hash.is_of(&password("correct horse")).unwrap());
    assert!(!hash.is_of(&password("correct horsf")).unwrap());
}

#[test]
fn a_hash_that_is_not_ours_or_costs_too_much_is_not_computed() {
    let good = PasswordHash::of_nobody(Cost::LEAST).unwrap();
    let good = good.as_str();
    assert!(PasswordHash::parse(good).is_ok());
    for bad in [
        "",
        "$",
        "$argon2id$v=19$",
        &good.replace("argon2id", "argon2i"),
        &good.replace("argon2id", "argon2d"),
        &good.replace("v=19", "v=16"),
        &good.replace("m=19456", "m=4294967295"),
        &good.replace("m=19456", "m=1048577"),
        &good.replace("m=19456", "m=7"),
        &good.replace("m=19456", "m=+19456"),
        &good.replace("m=19456", "m=019456"),
        &good.replace("m=19456", "m="),
        &good.replace("t=2", "t=65"),
        &good.replace("t=2", "t=0"),
        &good.replace("p=1", "p=2"),
        &good.replace("p=1", "p=1,keyid=AA"),
        &good.replace("m=19456,t=2", "t=2,m=19456"),
        good.get(..good.len() - 1).unwrap(),
        &format!("{good}A"),
        &format!("{good}="),
        &format!("{good}$"),
        &format!(" {good}"),
        &format!("{good}\n"),
        &good.replace('$', "$".repeat(200).as_str()),
    ] {
        assert_eq!(PasswordHash::parse(bad).unwrap_err(), HashFault::Malformed, "{bad}");
    }
}

#[test]
fn nobody_s_hash_is_of_no_password_and_costs_as_much() {
    let hash = PasswordHash::of_nobody(Cost::dangerous_cheap()).unwrap();
    assert!(!hash.is_of(&password("12345678")).unwrap());
    assert_eq!(hash.cost(), Cost::dangerous_cheap());
    let other = PasswordHash::of_nobody(Cost::dangerous_cheap()).unwrap();
    assert_ne!(hash.as_str(), other.as_str());
}

#[test]
fn a_cost_has_a_least_and_a_most() {
    assert_eq!(Cost::new(19 * 1024, 2), Ok(Cost::LEAST));
    assert!(Cost::new(1024 * 1024, 64).is_ok());
    for (memory, passes, fault) in [
        (19 * 1024 - 1, 2, CostFault::Memory),
        (1024 * 1024 + 1, 2, CostFault::Memory),
        (u32::MAX, u32::MAX, CostFault::Memory),
        (0, 2, CostFault::Memory),
        (19 * 1024, 1, CostFault::Passes),
        (19 * 1024, 65, CostFault::Passes),
    ] {
        assert_eq!(Cost::new(memory, passes), Err(fault));
    }
}

#[test]
fn what_is_left_of_a_cost_is_made_up_for() {
    let cost = |memory: u32, passes: u32| Cost::new(memory * 1024, passes).unwrap();
    assert_eq!(cost(19, 5).without(cost(19, 2)), Cost::of_hash(19 * 1024, 3));
    assert_eq!(cost(64, 3).without(cost(32, 2)), Cost::of_hash(64 * 1024, 2));
    assert_eq!(cost(19, 2).without(cost(19, 2)), None);
    assert_eq!(cost(19, 2).without(cost(64, 5)), None);
    assert!(cost(19, 3).is_weaker_than(cost(20, 2)) && cost(20, 2).is_weaker_than(cost(19, 3)));
    assert!(!cost(19, 2).is_weaker_than(Cost::LEAST));
}

#[test]
fn neither_password_nor_hash_is_printed() {
    let password = password("12345678");
    let hash = password.hash(Cost::dangerous_cheap()).unwrap();
    let printed = format!("{password:?} {hash:?}");
    let last = hash.as_str().rsplit('$').next().unwrap();
    assert!(!printed.contains("12345678") && !printed.contains(last), "{printed}");
}
