mod properties;

use std::sync::LazyLock;

use vestibule_core::rejection::Rejection;

use super::*;
use crate::Refused;

static KEYS: LazyLock<StoredKeys> =
    LazyLock::new(|| StoredKeys::derive("pencil", [7; 16], Iterations::MIN).unwrap());
static DECOY: LazyLock<Decoy> = LazyLock::new(|| Decoy::new([9; 32], Iterations::MIN));

const EXPORTER: TlsExporter = [5; 32];

/// What somebody between the two may do with each message.
type Meddle<'a> = &'a dyn Fn(Step, String) -> String;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    ClientFirst,
    ServerFirst,
    ClientFinal,
    ServerFinal,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Both(String),
    ServerRefused(Rejection),
    ClientBroke(ClientFault),
}

/// The only code that drives both sides.
fn exchange(
    user: &str,
    password: &str,
    bindings: (ClientBinding, Binding),
    meddle: Meddle<'_>,
) -> End {
    let begun = Client::begin(user, password, bindings.0, &Nonce::new([1; 18]));
    let (client, message) = match begun {
        Ok(begun) => begun,
        Err(fault) => return End::ClientBroke(fault),
    };
    let message = meddle(Step::ClientFirst, message);
    let first = match ClientFirst::parse(message.as_bytes(), bindings.1) {
        Ok(first) => first,
        Err(refused) => return End::ServerRefused(refused.rejection),
    };
    let keys = (first.user() == "alice").then_some(&*KEYS);
    let (server, message) = first.challenge(keys, &DECOY, &Nonce::new([2; 18]));
    let message = meddle(Step::ServerFirst, message);
    let (client, message) = match client.respond(message.as_bytes()) {
        Ok(responded) => responded,
        Err(fault) => return End::ClientBroke(fault),
    };
    let message = meddle(Step::ClientFinal, message);
    let authenticated = match server.finish(message.as_bytes()) {
        Ok(authenticated) => authenticated,
        Err(refused) => return End::ServerRefused(refused.rejection),
    };
    let message = meddle(Step::ServerFinal, authenticated.server_final().to_owned());
    match client.finish(message.as_bytes()) {
        Ok(_) => End::Both(authenticated.user().to_owned()),
        Err(fault) => End::ClientBroke(fault),
    }
}

fn plain(user: &str, password: &str) -> End {
    exchange(user, password, (ClientBinding::Unsupported, Binding::Unavailable), &|_, text| text)
}

fn meddled(meddle: Meddle<'_>) -> End {
    exchange("alice", "pencil", (ClientBinding::Unsupported, Binding::Unavailable), meddle)
}

/// Where the exchange stands when a client has sent its first message and the server has answered.
fn challenged(first: &str) -> Result<(AwaitingClientFinal, String), Refused> {
    let first = ClientFirst::parse(first.as_bytes(), Binding::Unavailable)?;
    let keys = (first.user() == "alice").then_some(&*KEYS);
    Ok(first.challenge(keys, &DECOY, &Nonce::new([2; 18])))
}

fn refuses_first(message: &str, rejection: Rejection) {
    let refused = ClientFirst::parse(message.as_bytes(), Binding::Unavailable).expect_err(message);
    assert_eq!(refused.rejection, rejection, "{message}: {refused}");
}

const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

#[test]
fn the_exchange_of_rfc_7677_section_3_on_the_client() {
    let nonce = Nonce("rOprNGfwEbeRWgbNEkqO".to_owned());
    let (client, message) =
        Client::begin("user", "pencil", ClientBinding::Unsupported, &nonce).unwrap();
    assert_eq!(message, CLIENT_FIRST);
    let (client, message) = client.respond(SERVER_FIRST.as_bytes()).unwrap();
    assert_eq!(message, CLIENT_FINAL);
    client.finish(SERVER_FINAL.as_bytes()).unwrap();
}

#[test]
fn the_exchange_of_rfc_7677_section_3_on_the_server() {
    let salt: [u8; 16] = *keys::exactly("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let keys = StoredKeys::derive("pencil", salt, Iterations::of_a_vector(4096)).unwrap();
    let first = ClientFirst::parse(CLIENT_FIRST.as_bytes(), Binding::Unavailable).unwrap();
    assert_eq!(first.user(), "user");
    let nonce = Nonce("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned());
    let (server, message) = first.challenge(Some(&keys), &DECOY, &nonce);
    assert_eq!(message, SERVER_FIRST);
    let authenticated = server.finish(CLIENT_FINAL.as_bytes()).unwrap();
    assert_eq!((authenticated.user(), authenticated.server_final()), ("user", SERVER_FINAL));
}

#[test]
fn only_the_password_of_the_user_gets_in() {
    assert_eq!(plain("alice", "pencil"), End::Both("alice".to_owned()));
    let invalid = End::ServerRefused(Rejection::CredentialsInvalid);
    for (user, password) in
        [("alice", "Pencil"), ("alice", "pencil "), ("Alice", "pencil"), ("bob", "pencil")]
    {
        assert_eq!(plain(user, password), invalid, "{user} {password}");
    }
    // One spelling for what looks the same.
    assert_eq!(plain("\u{ff41}lice", "pen\u{ad}cil"), End::Both("alice".to_owned()));
    assert_eq!(plain("", "pencil"), End::ClientBroke(ClientFault::User(TextFault::Empty)));
    assert_eq!(
        plain("alice", "\u{7}"),
        End::ClientBroke(ClientFault::Password(TextFault::Prohibited))
    );
}

#[test]
fn an_unknown_user_looks_like_a_wrong_password() {
    let answer = |user: &str, nonce: &str| {
        let (server, message) = challenged(&format!("n,,n={user},r={nonce}")).unwrap();
        let proof = BASE64.encode(&[0; 32]);
        let nonce = message.split([',']).next().unwrap().to_owned();
        let refused = server.finish(format!("c=biws,{nonce},p={proof}").as_bytes()).unwrap_err();
        (message.split_once(",s=").unwrap().1.to_owned(), refused)
    };
    let (known, unknown) = (answer("alice", "abc"), answer("bob", "abc"));
    assert_eq!(known.1, unknown.1);
    assert_eq!(known.0.len(), unknown.0.len());
    assert_eq!(unknown, answer("bob", "def"), "the false salt is always the same");
    assert_ne!(unknown.0, answer("carol", "abc").0, "and not everybody's");
    let other = Decoy::new([8; 32], Iterations::MIN);
    assert_ne!(other.keys("bob").salt(), DECOY.keys("bob").salt(), "nobody can compute it");
}

#[test]
fn channel_binding_fits_the_mechanism_and_the_connection() {
    let run = |client: ClientBinding, server: Binding| {
        exchange("alice", "pencil", (client, server), &|_, text| text)
    };
    let both = || End::Both("alice".to_owned());
    let no = |rejection| End::ServerRefused(rejection);
    let bound = || ClientBinding::TlsExporter(EXPORTER);
    assert_eq!(run(ClientBinding::Unsupported, Binding::Unavailable), both());
    assert_eq!(run(ClientBinding::Unsupported, Binding::Offered), both());
    assert_eq!(run(ClientBinding::ServerDoesNot, Binding::Unavailable), both());
    assert_eq!(run(bound(), Binding::TlsExporter(EXPORTER)), both());
    // Somebody took -PLUS out of the list.
    assert_eq!(
        run(ClientBinding::ServerDoesNot, Binding::Offered),
        no(Rejection::MechanismNotAllowed)
    );
    // Somebody stands between two TLS connections.
    assert_eq!(run(bound(), Binding::TlsExporter([6; 32])), no(Rejection::CredentialsInvalid));
    for (client, server) in [
        (bound(), Binding::Unavailable),
        (bound(), Binding::Offered),
        (ClientBinding::Unsupported, Binding::TlsExporter(EXPORTER)),
        (ClientBinding::ServerDoesNot, Binding::TlsExporter(EXPORTER)),
    ] {
        assert_eq!(run(client, server), no(Rejection::MechanismNotAllowed));
    }
    for kind in ["tls-unique", "tls-server-end-point", "TLS-EXPORTER", ""] {
        let message = format!("p={kind},,n=alice,r=abc");
        let refused =
            ClientFirst::parse(message.as_bytes(), Binding::TlsExporter(EXPORTER)).unwrap_err();
        assert_eq!(refused.rejection, Rejection::MechanismNotAllowed, "{kind}");
    }
}

#[test]
fn the_flag_cannot_be_changed_on_the_way() {
    for flag in ["y,", "n,a=alice"] {
        let end = meddled(&|step, text| match step {
            Step::ClientFirst => text.replacen("n,", flag, 1),
            Step::ServerFirst | Step::ClientFinal | Step::ServerFinal => text,
        });
        assert_eq!(end, End::ServerRefused(Rejection::CredentialsInvalid), "{flag}");
    }
}

#[test]
fn a_first_message_has_one_form() {
    for message in [
        "",
        "n",
        "n,",
        "n,,",
        ",,n=alice,r=abc",
        "x,,n=alice,r=abc",
        "N,,n=alice,r=abc",
        "nn,,n=alice,r=abc",
        "n,,r=abc,n=alice",
        "n,,n=alice",
        "n,,n=,r=abc",
        "n,,n=alice,r=",
        "n,,n=alice,,r=abc",
        "n,,N=alice,r=abc",
        "n,,n=alice,r=abc,",
        "n,,n=alice,r=abc,x",
        "n,,n=alice,r=abc,x=",
        "n,,n=alice,r=abc,1=x",
        "n,,n=alice,r=abc,r=def",
        "n,,n=alice,r=abc,n=bob",
        "n,,n=alice,r=a b",
        "n,,n=alice,r=\u{e9}",
        "n,,n=alice\0,r=abc",
        "n,,n=al=2cice,r=abc",
        "n,,n=al=3,r=abc",
        "n,,n=al=,r=abc",
        "n,,n=al=41,r=abc",
        "n,,n=\u{7},r=abc",
        "n,,n=\u{ad},r=abc",
        "n,a=bob,n=alice,r=abc",
        "n,a=,n=alice,r=abc",
        "n,alice,n=alice,r=abc",
        "n,,m=ext,n=alice,r=abc",
        "n,,n=alice,m=ext,r=abc",
        "n,,n=alice,r=abc,m=ext",
    ] {
        refuses_first(message, Rejection::MalformedMessage);
    }
    refuses_first(&format!("n,,n={},r=abc", "x".repeat(9000)), Rejection::MalformedMessage);
    refuses_first(&format!("n,,n=alice,r={}", "x".repeat(600)), Rejection::MalformedMessage);
    assert!(ClientFirst::parse(b"n,,n=\xff,r=abc", Binding::Unavailable).is_err());
    for (message, user) in [
        ("n,,n=alice,r=abc", "alice"),
        ("n,a=alice,n=alice,r=abc", "alice"),
        ("y,,n=a=2Cb=3D=2C,r=abc", "a,b=,"),
        ("n,,n=alice,r=abc,x=y,q=z", "alice"),
        ("n,,n=\u{e9},r=abc", "\u{e9}"),
    ] {
        assert_eq!(
            ClientFirst::parse(message.as_bytes(), Binding::Unavailable).unwrap().user(),
            user
        );
    }
}

#[test]
fn a_final_message_is_of_its_exchange_and_has_one_form() {
    let proof = BASE64.encode(&[0; 32]);
    let check = |message: &dyn Fn(&str) -> String, rejection: Rejection| {
        let (server, challenge) = challenged("n,,n=alice,r=abc").unwrap();
        let nonce = challenge.split_once(',').unwrap().0;
        let message = message(nonce);
        let refused = server.finish(message.as_bytes()).expect_err(&message);
        assert_eq!(refused.rejection, rejection, "{message}");
    };
    let (malformed, invalid) = (Rejection::MalformedMessage, Rejection::CredentialsInvalid);
    check(&|_| String::new(), malformed);
    check(&|_| "n,,n=alice,r=abc".to_owned(), malformed);
    check(&|r| format!("c=biws,{r}"), malformed);
    check(&|r| format!("{r},c=biws,p={proof}"), malformed);
    check(&|r| format!("c=biws,p={proof},{r}"), malformed);
    check(&|r| format!("c=biws,{r},p={proof}="), malformed);
    check(&|r| format!("c=biws,{r},p=AAAA"), malformed);
    check(&|r| format!("c=biws,{r},m=x,p={proof}"), malformed);
    check(&|r| format!("m=x,c=biws,{r},p={proof}"), malformed);
    check(&|r| format!("c=biws,{r},p={proof},p={proof}"), malformed);
    check(&|r| format!("c=biws,{r},x={},p={proof}", "y".repeat(9000)), malformed);
    check(&|r| format!("c=biws,{r},p={proof}"), invalid);
    check(&|r| format!("c=biws,{r}x,p={proof}"), invalid);
    check(&|_| format!("c=biws,r=abc,p={proof}"), invalid);
    check(&|r| format!("c=eSws,{r},p={proof}"), invalid);
    check(&|r| format!("c=nonsense,{r},p={proof}"), invalid);
}

#[test]
fn the_proof_of_another_exchange_is_worth_nothing() {
    let (client, message) =
        Client::begin("alice", "pencil", ClientBinding::Unsupported, &Nonce::new([1; 18])).unwrap();
    let (first, challenge) = challenged(&message).unwrap();
    let (_client, proof) = client.respond(challenge.as_bytes()).unwrap();
    assert!(first.finish(proof.as_bytes()).is_ok());
    let again = ClientFirst::parse(message.as_bytes(), Binding::Unavailable).unwrap();
    let (again, _) = again.challenge(Some(&KEYS), &DECOY, &Nonce::new([3; 18]));
    let refused = again.finish(proof.as_bytes()).unwrap_err();
    assert_eq!(refused.rejection, Rejection::CredentialsInvalid);
}

#[test]
fn a_client_trusts_no_challenge() {
    let respond = |edit: &dyn Fn(&str) -> String| {
        let nonce = Nonce("abc".to_owned());
        let (client, _) =
            Client::begin("alice", "pencil", ClientBinding::Unsupported, &nonce).unwrap();
        client.respond(edit("r=abcdef,s=AAAA,i=4096").as_bytes()).map(drop)
    };
    assert_eq!(respond(&|text| text.to_owned()), Ok(()));
    assert_eq!(respond(&|text| format!("{text},x=y")), Ok(()));
    assert_eq!(respond(&|text| text.replace("4096", "1000000")), Ok(()));
    for count in [1, 4095, 1_000_001, u32::MAX] {
        let end = respond(&|text| text.replace("4096", &count.to_string()));
        assert_eq!(end, Err(ClientFault::Iterations(count)));
    }
    for nonce in ["abc", "abdef", "xabcdef", "def"] {
        let end = respond(&|text| text.replace("abcdef", nonce));
        assert_eq!(end, Err(ClientFault::Nonce), "{nonce}");
    }
    for count in ["0", "04096", "+4096", "-1", "4096.0", "99999999999", "", "1e4", "\u{664}096"] {
        let end = respond(&|text| text.replace("4096", count));
        assert!(matches!(end, Err(ClientFault::Malformed(_))), "{count}: {end:?}");
    }
    for challenge in [
        "",
        "r=abcdef",
        "s=AAAA,r=abcdef,i=4096",
        "m=x,r=abcdef,s=AAAA,i=4096",
        "r=abcdef,s=AAAA,i=4096,m=x",
        "r=abcdef,s=AA=A,i=4096",
        "r=abcdef,s=,i=4096",
        "e=other-error",
    ] {
        let end = respond(&|_| challenge.to_owned());
        assert!(matches!(end, Err(ClientFault::Malformed(_))), "{challenge}: {end:?}");
    }
}

#[test]
fn a_client_trusts_no_server_that_does_not_know_the_password() {
    let last = |edit: &dyn Fn(String) -> String| {
        meddled(&|step, text| match step {
            Step::ServerFinal => edit(text),
            Step::ClientFirst | Step::ServerFirst | Step::ClientFinal => text,
        })
    };
    let zeros = BASE64.encode(&[0; 32]);
    assert_eq!(last(&|_| format!("v={zeros}")), End::ClientBroke(ClientFault::WrongServer));
    assert_eq!(last(&|_| "e=invalid-proof".to_owned()), End::ClientBroke(ClientFault::Refused));
    assert_eq!(last(&|text| format!("{text},x=y")), End::Both("alice".to_owned()));
    for message in ["", "v=", "v=AAAA", "ok", "r=abc", "v=AAAA,m=x", "V=AAAA"] {
        let end = last(&|_| message.to_owned());
        assert!(matches!(end, End::ClientBroke(ClientFault::Malformed(_))), "{message}");
    }
}

#[test]
fn stored_keys_keep_their_text() {
    let text = KEYS.to_text();
    assert!(text.len() <= crate::limits::SCRAM_KEYS_CHARS);
    assert!(text.starts_with("SCRAM-SHA-256$15000:BwcHBwcHBwcHBwcHBwcHBw==$"));
    assert_eq!(*StoredKeys::from_text(&text).unwrap().to_text(), *text);
    for (from, to, fault) in [
        ("$15000:", "$14999:", KeysFault::Iterations),
        ("$15000:", "$1000001:", KeysFault::Iterations),
        ("$15000:", "$015000:", KeysFault::Malformed),
        ("$15000:", "$:", KeysFault::Malformed),
        ("SHA-256", "SHA-1", KeysFault::Malformed),
        ("BwcHBwcHBwcHBwcHBwcHBw==", "", KeysFault::Malformed),
        ("BwcHBwcHBwcHBwcHBwcHBw==", "BwcH", KeysFault::Malformed),
        ("=$", "=", KeysFault::Malformed),
    ] {
        assert_eq!(StoredKeys::from_text(&text.replacen(from, to, 1)).unwrap_err(), fault, "{to}");
    }
    assert_eq!(StoredKeys::derive("", [0; 16], Iterations::MIN).unwrap_err(), TextFault::Empty);
}

#[test]
fn nothing_secret_is_printed() {
    let (client, message) = Client::begin(
        "alice",
        "pencil",
        ClientBinding::TlsExporter(EXPORTER),
        &Nonce::new([1; 18]),
    )
    .unwrap();
    let first = ClientFirst::parse(message.as_bytes(), Binding::TlsExporter(EXPORTER)).unwrap();
    let mut seen = vec![format!("{client:?} {first:?} {:?} {:?}", *KEYS, *DECOY)];
    let (server, message) = first.challenge(Some(&KEYS), &DECOY, &Nonce::new([2; 18]));
    let (client, message) = client.respond(message.as_bytes()).unwrap();
    seen.push(format!("{server:?} {client:?}"));
    seen.push(format!("{:?}", server.finish(message.as_bytes()).unwrap()));
    let (server, client) = (Binding::TlsExporter(EXPORTER), ClientBinding::TlsExporter(EXPORTER));
    seen.push(format!("{server:?} {client:?} {:?}", Nonce::new([1; 18])));
    let seen = seen.join(" ");
    for secret in ["pencil", "5, 5", "7, 7", "BwcH", "AQEB"] {
        assert!(!seen.contains(secret), "{seen}");
    }
}
