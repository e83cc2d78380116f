//! Where a credential may travel on a route, and how identity may be proven there.

use vestibule_core::{
    authn::{Judge, Mechanism, Proof},
    policy::{Carrier, DpopNonce, RoutePolicy, TokenInQuery},
};

use super::{
    auth::AuthWritten,
    fault::{Fault, Place},
    model::Sessions,
    per_message,
    read::{Complaint, Reader, choose, is_token, values},
    routes::Known,
    step_up,
};

/// The cookie that login sets; the prefix binds it to this host and to TLS (RFC 6265bis section
/// 4.1.3.2).
pub(crate) const LOGIN_COOKIE: &str = "__Host-vestibule";

/// Where a credential may travel, and what belongs to each way.
pub(super) fn carriers(
    reader: &mut Reader<'_>,
    auth: Option<&AuthWritten>,
    policy: &mut RoutePolicy,
) {
    let accept = reader.some("accept", |text| {
        let names = Carrier::ALL.iter().map(|carrier| (carrier.name(), *carrier));
        choose("accept", text, &names.collect::<Vec<_>>())
    });
    let known = |text: &str| mechanism(text, auth);
    let mechanisms = reader.some("mechanisms", known);
    if let Some(mechanisms) = mechanisms {
        policy.mechanisms = values(mechanisms);
    }
    let place = |carrier: Carrier| {
        accept.iter().flatten().find(|one| one.value == carrier).map(|one| one.place.clone())
    };
    let cookie = reader.parsed("cookie", |text| {
        if is_token(text) && text.len() <= 256 {
            return Ok(text.into());
        }
        Err(Complaint::new(format!("{text:?} is no name of a cookie (RFC 6265 section 4.1.1)")))
    });
    // What does not parse was reported already.
    let named = reader.node("cookie").is_some();
    match (place(Carrier::Cookie), &cookie) {
        (Some(place), _) if !named && auth.is_some() => {
            if !policy.mechanisms.contains(&Mechanism::Session) {
                let message = "the cookie that login sets holds a session token";
                let fault = Fault::new(message, place);
                reader.report.push(
                    fault.help("write `mechanisms = [\"session\", …]`, or name another `cookie`"),
                );
            }
        }
        (Some(place), _) if !named => {
            let fault = Fault::new("`accept` has `cookie`, and no `cookie` says which", place);
            reader.report.push(fault.help("write `cookie = \"…\"`, its name"));
        }
        (None, Some(cookie)) => {
            let fault =
                Fault::new("`cookie` has no use: `accept` does not have it", cookie.place.clone());
            reader.report.push(fault.help("write `accept = [\"header\", \"cookie\", …]`"));
        }
        (Some(accepted), Some(_)) if policy.origins.is_open() => {
            let message = "every page of the world could open a socket with the user's cookie";
            let fault = Fault::new(message, reader.place_of("origins"));
            let fault = fault.related(accepted, "cookies are taken here");
            reader.report.push(fault.help("list the origins, or do without the cookie"));
        }
        (Some(_) | None, Some(_) | None) => {}
    }
    let tickets = policy.mechanisms.contains(&Mechanism::Ticket);
    let query = place(Carrier::Query);
    policy.token_in_query = token_in_query(reader, query, tickets.then_some(Mechanism::Ticket));
    let login = || place(Carrier::Cookie).and(auth).map(|_| LOGIN_COOKIE.into());
    policy.cookie = cookie.map(|cookie| cookie.value).or_else(login);
    if let Some(accept) = &accept {
        policy.accept = accept.iter().map(|written| written.value).collect();
    }
    check_ways(reader, policy);
    per_message::per_message(reader, place(Carrier::PerMessage), policy);
    step_up::read(reader, known, policy);
}

/// The mechanism of that name, where there is one here.
fn mechanism(text: &str, auth: Option<&AuthWritten>) -> Result<Mechanism, Complaint> {
    match text {
        "anonymous" => Err(Complaint::new(format!("{text:?} is not available yet"))),
        "webauthn" => passkeys(auth).map(|()| Mechanism::Webauthn),
        text if auth.is_none() && is_kept(text) => {
            let complaint = Complaint::new(format!("{text:?} is of the gateway's own making"));
            Err(complaint.help("write `[auth]`, the section that turns its own identities on"))
        }
        text => {
            let names = Mechanism::ALL.iter().map(|mechanism| (mechanism.name(), *mechanism));
            choose("mechanisms", text, &names.collect::<Vec<_>>())
        }
    }
}

/// Whether a mechanism is judged by what the gateway keeps.
fn is_kept(name: &str) -> bool {
    Mechanism::from_name(name).is_some_and(|mechanism| mechanism.judge() == Judge::Store)
}

/// What a connection proves can be proven where the gateway ends its TLS, and asks for it.
pub(super) fn connections(reader: &mut Reader<'_>, known: Known<'_>, policy: &RoutePolicy) {
    let Known { certificates, tls, .. } = known;
    let takes = |mechanism| policy.mechanisms.contains(&mechanism);
    let mechanisms = reader.place_of("mechanisms");
    if policy.knows(Mechanism::ScramSha256Plus) && tls.is_none() {
        let message =
            "\"scram-sha-256-plus\" is bound to the TLS connection, and the gateway ends none";
        let fault = Fault::new(message, mechanisms.clone());
        reader.report.push(fault.help("write `tls = { cert = \"…\", key = \"…\" }` in [server]"));
    }
    let travels = policy.accept.iter().any(|it| matches!(it, Carrier::Tls | Carrier::Message));
    if !takes(Mechanism::External) {
        if policy.accept.contains(&Carrier::Tls) {
            let message = "`accept` has `tls`, and `mechanisms` does not have `external`";
            reader.report.push(Fault::new(message, reader.place_of("accept")));
        }
        return;
    }
    let fault = if tls.is_none_or(|tls| tls.clients.is_none()) {
        Fault::new("no client is asked for a certificate", mechanisms)
            .help("write `client_ca = \"clients-ca.pem\"` in `tls` of [server]")
    } else if certificates.is_empty() {
        Fault::new("nobody says whom a certificate names", mechanisms)
            .help("write a table [[certificates]]")
    } else if !travels {
        Fault::new(
            "\"external\" is taken from nowhere: `accept` has neither `tls` nor `message`",
            mechanisms,
        )
        .help("write `accept = [\"tls\", …]`")
    } else if policy.origins.is_open() {
        let message = "every page of the world could open a socket with the user's certificate";
        Fault::new(message, reader.place_of("origins"))
            .related(mechanisms, "certificates are taken here")
            .help("list the origins, or do without certificates")
    } else {
        return;
    };
    reader.report.push(fault);
}

/// Whether anybody could have a passkey.
fn passkeys(auth: Option<&AuthWritten>) -> Result<(), Complaint> {
    if auth.is_some_and(|auth| auth.webauthn.is_some()) {
        return Ok(());
    }
    let complaint = Complaint::new("passkeys are for a domain, and none is named");
    Err(complaint.help("write `[auth.webauthn]` with `rp_id = \"…\"`, the domain"))
}

/// Whether proofs must have nonces.
pub(super) fn nonces(reader: &mut Reader<'_>, policy: &mut RoutePolicy) {
    if policy.mechanisms.contains(&Mechanism::Dpop) && policy.hosts.is_empty() {
        let message = "a proof that was made for another server counts here, too: this route \
                       serves every host";
        let fault = Fault::warning(message, reader.place_of("mechanisms"));
        reader.report.push(fault.help("write `hosts = [\"…\"]`, the names of this server"));
    }
    let choices = [("required", DpopNonce::Required), ("off", DpopNonce::Off)];
    if let Some(nonce) = reader.choice("dpop_nonce", &choices) {
        policy.dpop_nonce = nonce;
        if !policy.mechanisms.contains(&Mechanism::Dpop)
            || !policy.accept.contains(&Carrier::Header)
        {
            let message = "`dpop_nonce` has no use: it is about `dpop` by `header`";
            reader.report.push(Fault::warning(message, reader.place_of("dpop_nonce")));
        }
    }
}

/// There must be a way for what a route takes; and who is to be asked back must be able to answer.
fn check_ways(reader: &mut Reader<'_>, policy: &RoutePolicy) {
    if policy.is_per_message() {
        return;
    }
    let accepts = |carrier| policy.accept.contains(&carrier);
    for mechanism in policy.mechanisms.iter().filter(|_| !accepts(Carrier::Message)) {
        let (why, write) = match (mechanism, mechanism.proof()) {
            (Mechanism::Dpop, _) if accepts(Carrier::Header) => continue,
            (Mechanism::Dpop, _) => ("comes by header or message", "[\"header\", \"message\", …]"),
            (Mechanism::OauthBearer, _) => ("is a message", "[\"message\", …]"),
            (_, Proof::Response) => ("asks back", "[\"message\", …]"),
            (_, Proof::Token | Proof::Connection) => continue,
        };
        let name = mechanism.name();
        let lacks = if *mechanism == Mechanism::Dpop { "either" } else { "`message`" };
        let message = format!("{name:?} {why}, and `accept` does not have {lacks}");
        let fault = Fault::new(message, reader.place_of("mechanisms"));
        reader.report.push(fault.help(format!("write `accept = {write}`")));
    }
}

/// Whether `accepted` hands out session tokens.
pub(super) fn sessions(
    reader: &mut Reader<'_>,
    auth: Option<&AuthWritten>,
    policy: &RoutePolicy,
) -> Sessions {
    let names = [("off", Sessions::Off), ("issue", Sessions::Issue), ("rotate", Sessions::Rotate)];
    let sessions = reader.choice("sessions", &names).unwrap_or(Sessions::Off);
    let fault = match (sessions, auth) {
        (Sessions::Off, _) => return sessions,
        (Sessions::Issue | Sessions::Rotate, None) => {
            "session tokens are of the gateway's own making: they need the section `[auth]`"
        }
        (Sessions::Issue | Sessions::Rotate, Some(_))
            if !policy.mechanisms.contains(&Mechanism::Session) =>
        {
            "session tokens would be handed out, and `mechanisms` does not have `session`"
        }
        (Sessions::Issue | Sessions::Rotate, Some(_)) if policy.is_per_message() => {
            "session tokens are told in `accepted`, which nobody is told where each message carries \
             its own credential"
        }
        (Sessions::Issue | Sessions::Rotate, Some(_)) => return sessions,
    };
    reader.report.push(Fault::new(fault, reader.place_of("sessions")));
    Sessions::Off
}

/// Whether a token in the query counts; `accepted` is where `query` stands in `accept`, `ticket`
/// is there where tickets are taken.
fn token_in_query(
    reader: &mut Reader<'_>,
    accepted: Option<Place>,
    ticket: Option<Mechanism>,
) -> TokenInQuery {
    let flag = reader.flag("dangerous_token_in_query") == Some(true);
    match (accepted, flag) {
        (Some(_), false) if ticket.is_some() => {}
        (Some(place), false) => {
            let message = "`query` is for tickets, and `mechanisms` does not have `ticket`";
            let help = "for an access token in the query, which ends up in logs and histories, write \
                        `dangerous_token_in_query = true`";
            reader.report.push(Fault::new(message, place).help(help));
        }
        (None, true) => {
            let message = "`dangerous_token_in_query` has no use: `accept` does not have `query`";
            let fault = Fault::new(message, reader.place_of("dangerous_token_in_query"));
            reader.report.push(fault.help("add `\"query\"` to `accept`, or leave this out"));
        }
        (Some(_), true) => {
            let message = "`dangerous_token_in_query`: tokens end up in logs and histories, and \
                           whoever reads those can use them";
            let place = reader.place_of("dangerous_token_in_query");
            reader.report.push(Fault::warning(message, place));
            return TokenInQuery::Taken;
        }
        (None, false) => {}
    }
    TokenInQuery::Refused
}
