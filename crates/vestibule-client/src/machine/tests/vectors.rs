//! `vectors/client-machine.json`.

use core::time::Duration;
use std::{fs, path::Path};

use serde_json::{Map, Value, json};

use super::super::*;

fn millis(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().unwrap())
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

fn code(value: &Value) -> u16 {
    u16::try_from(value["code"].as_u64().unwrap()).unwrap()
}

fn settings(defaults: &Value, own: &Value) -> Settings {
    let get = |name: &str| own.get(name).unwrap_or_else(|| defaults.get(name).unwrap());
    Settings {
        carrier: match get("carrier").as_str().unwrap() {
            "message" => Carrier::Message,
            "subprotocol" | "query" => Carrier::Handshake,
            "cookie" => Carrier::Cookie,
            "per-message" => Carrier::PerMessage,
            other => panic!("{other}"),
        },
        connect_timeout: millis(get("connectTimeout")),
        auth_timeout: millis(get("authTimeout")),
        proof: proof(get("respond")),
        step_up: proof(get("respond")),
        settle: millis(get("settle")),
        replacing: match get("reconnect").as_str().unwrap() {
            "on" => Replacing::On,
            "off" => Replacing::Off,
            other => panic!("{other}"),
        },
        base: millis(get("base")),
        max: millis(get("max")),
        stable: millis(get("stable")),
        attempts: u32::try_from(get("attempts").as_u64().unwrap()).unwrap(),
        codes: get("codes").as_object().unwrap().iter().map(mapped).collect(),
    }
}

fn mapped((code, verdict): (&String, &Value)) -> (u16, Verdict) {
    let verdict = match verdict.as_str().unwrap() {
        "stop" => Verdict::Stop,
        "fresh" => Verdict::Fresh,
        "wait" => Verdict::Wait,
        other => panic!("{other}"),
    };
    (code.parse().unwrap(), verdict)
}

fn proof(respond: &Value) -> Proof {
    match respond.as_str().unwrap() {
        "on" => Proof::Response,
        "off" => Proof::Token,
        other => panic!("{other}"),
    }
}

fn input(value: &Value) -> Input<'_> {
    match value["type"].as_str().unwrap() {
        "start" => Input::Start,
        "credential" => Input::Credential,
        "no_credential" => Input::NoCredential(match value["failure"].as_str().unwrap() {
            "failed" => Failure::Failed,
            "repeated" => Failure::Repeated,
            "denied" => Failure::Denied,
            other => panic!("{other}"),
        }),
        "response" => Input::Response(value["proof"].as_str().map(Expected::new)),
        "no_response" => Input::NoResponse,
        "socket_open" => Input::SocketOpen,
        "text" => Input::Text(value["text"].as_str().unwrap()),
        "binary" => Input::Binary,
        "fault" => Input::Fault,
        "socket_closed" => Input::SocketClosed(End {
            code: code(value),
            reason: text(value, "reason"),
            clean: value["clean"].as_bool().unwrap(),
        }),
        "close" => Input::Close { code: code(value), reason: text(value, "reason") },
        "abort" => Input::Abort,
        "logout" => Input::Logout,
        "refresh" => Input::Refresh,
        "online" => Input::Online,
        "tick" => Input::Tick,
        other => panic!("{other}"),
    }
}

fn shown(effect: &Effect) -> Value {
    match effect {
        Effect::Ask { reason, attempt } => {
            json!({"type": "ask", "reason": reason.name(), "attempt": attempt})
        }
        Effect::Cancel => json!({"type": "cancel"}),
        Effect::Spend => json!({"type": "spend"}),
        Effect::Connect => json!({"type": "connect"}),
        Effect::Present(Presentation::Authenticate) => {
            json!({"type": "present", "as": "authenticate"})
        }
        Effect::Present(Presentation::Refresh) => json!({"type": "present", "as": "refresh"}),
        Effect::Challenge(Demand::Nonce(nonce)) => json!({"type": "challenge", "nonce": nonce}),
        Effect::Challenge(Demand::Message(message)) => {
            json!({"type": "challenge", "message": message})
        }
        Effect::Respond => json!({"type": "respond"}),
        Effect::Logout => json!({"type": "logout"}),
        Effect::Close { code, reason } => json!({"type": "close", "code": code, "reason": reason}),
        Effect::Drop { code } => json!({"type": "drop", "code": code}),
        Effect::Open(Opened::First) => json!({"type": "open", "how": "first"}),
        Effect::Open(Opened::Again) => json!({"type": "open", "how": "again"}),
        Effect::Deliver => json!({"type": "deliver"}),
        Effect::Auth(auth) => shown_auth(auth),
        Effect::Reconnecting { cause, code, error, attempt, delay } => {
            let delay = u64::try_from(delay.as_millis()).unwrap();
            json!({
                "type": "reconnecting", "cause": cause.name(), "code": code, "error": error,
                "attempt": attempt, "delay": delay
            })
        }
        Effect::Error { cause, code, error } => {
            json!({"type": "error", "cause": cause.name(), "code": code, "error": error})
        }
        Effect::Closed(End { code, reason, clean }) => {
            json!({"type": "closed", "code": code, "reason": reason, "clean": clean})
        }
    }
}

fn shown_auth(auth: &Auth) -> Value {
    let (state, members) = match auth {
        Auth::Waiting { reason } => ("waiting", json!({"reason": reason.name()})),
        Auth::Authenticated(None) => ("authenticated", json!({})),
        Auth::Authenticated(Some(Told { subject, expires_in })) => {
            ("authenticated", json!({"subject": subject, "expires_in": expires_in}))
        }
        Auth::Refreshing => ("refreshing", json!({})),
        Auth::Refreshed(Told { subject, expires_in }) => {
            ("refreshed", json!({"subject": subject, "expires_in": expires_in}))
        }
        Auth::Expiring { expires_in } => ("expiring", json!({"expires_in": expires_in})),
        Auth::Rejected { error, retry } => ("rejected", json!({"error": error, "retry": retry})),
        Auth::Stopped { reason } => ("stopped", json!({"reason": reason.name()})),
    };
    let mut whole: Map<String, Value> = members.as_object().unwrap().clone();
    whole.insert("type".to_owned(), "auth".into());
    whole.insert("state".to_owned(), state.into());
    Value::Object(whole)
}

#[test]
fn the_machine_does_what_the_vectors_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/client-machine.json");
    let vectors: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(vectors["version"], 1);
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 100, "{} cases", cases.len());
    for case in cases {
        let name = &case["name"];
        let mut machine = Machine::new(settings(&vectors["defaults"], &case["settings"]));
        for step in case["steps"].as_array().unwrap() {
            let jitter = step.get("jitter").unwrap_or_else(|| &vectors["jitter"]).as_f64().unwrap();
            let effects = machine.handle(input(&step["input"]), millis(&step["at"]), jitter);
            let seen = json!({
                "effects": effects.iter().map(shown).collect::<Vec<_>>(),
                "state": machine.state().name(),
                "deadline": machine.deadline().map(|until| u64::try_from(until.as_millis()).unwrap()),
            });
            let expected = json!({
                "effects": step["effects"], "state": step["state"], "deadline": step["deadline"],
            });
            assert_eq!(seen, expected, "{name}, at {}: {}", step["at"], step["input"]);
        }
    }
}
