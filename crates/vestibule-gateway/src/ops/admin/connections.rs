//! Live connections: list, show, close.

use std::time::Duration;

use ipnet::IpNet;
use serde_json::json;
use vestibule_core::{
    authn::Mechanism,
    limits as core_limits,
    policy::{Assurance, StepUp},
    rejection::Rejection,
    session::Unasked,
};

use super::{
    Api,
    call::{Asked, Done},
    model,
    problem::Problem,
};
use crate::{
    limits,
    serve::connections::{Choice, ConnectionName, Details, Filter, Page, Second},
};

impl Api {
    pub(super) async fn list_connections(&self, asked: &Asked) -> Result<Done, Problem> {
        let given = |name| asked.parameter(name).map(Into::into);
        let seconds = |name: &str| match asked.parameter(name) {
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| Problem::invalid(format!("`{name}` is a whole number of seconds"))),
            None => Ok(None),
        };
        let wanted = Wanted {
            subject: given("subject"),
            issuer: given("issuer"),
            session: given("session"),
            route: given("route"),
            mechanism: given("mechanism"),
            address: given("address"),
            older_than: seconds("older_than")?,
            younger_than: seconds("younger_than")?,
        };
        let details = wanted.details();
        let after = asked.parameter("after").map(|text| self.cursor(text)).transpose()?;
        let page = Page { after, limit: limit(asked, limits::LISTED)? };
        let (found, next) = self.shared.connections.list(wanted.filter()?, page).await;
        let connections = found.iter().map(shown).collect();
        let next = next.map(|name| name.to_string().into());
        Done::with(&model::Connections { connections, next }, details)
    }

    pub(super) async fn show_connection(&self, asked: &Asked) -> Result<Done, Problem> {
        match self.shared.connections.show(named(asked)?).await {
            Some(details) => Done::with(&shown(&details), json!({})),
            None => Err(over()),
        }
    }

    pub(super) async fn close_connection(&self, asked: &Asked) -> Result<Done, Problem> {
        let reason = asked.parameter("reason");
        check_reason(reason)?;
        let choice = Choice::Named(vec![named(asked)?]);
        match self.shared.connections.close(choice, Rejection::ClosedByOperator).await {
            0 => Err(over()),
            _ => Done::with(&model::Closed { closed: 1 }, json!({ "reason": reason })),
        }
    }

    pub(super) async fn close_connections(&self, asked: &Asked) -> Result<Done, Problem> {
        let request: model::CloseConnections = asked.object()?;
        check_reason(request.reason.as_deref())?;
        let mut details = json!(request);
        let model::CloseConnections {
            subject,
            issuer,
            session,
            route,
            mechanism,
            address,
            older_than,
            younger_than,
            all,
            reason: _,
        } = request;
        let wanted = Wanted {
            subject,
            issuer,
            session,
            route,
            mechanism,
            address,
            older_than,
            younger_than,
        };
        let filter = wanted.filter()?;
        match (filter.is_empty(), all) {
            (true, None | Some(false)) => {
                let message = "say which connections; or, to close every one, `\"all\": true`";
                return Err(Problem::invalid(message));
            }
            (false, Some(true)) => {
                return Err(Problem::invalid("`all` and a filter do not go together"));
            }
            (true, Some(true)) | (false, None | Some(false)) => {}
        }
        let choice = Choice::Fitting(filter);
        let closed = self.shared.connections.close(choice, Rejection::ClosedByOperator).await;
        let closed = u64::try_from(closed).unwrap_or(u64::MAX);
        if let Some(details) = details.as_object_mut() {
            details.insert("closed".into(), closed.into());
        }
        Done::with(&model::Closed { closed }, details)
    }

    pub(super) async fn step_up(&self, asked: &Asked) -> Result<Done, Problem> {
        let model::NewStepUp { mechanisms, within, reason } = asked.object()?;
        check_reason(reason.as_deref())?;
        let named: Vec<_> = mechanisms
            .iter()
            .map(|name| mechanism("mechanisms", name))
            .collect::<Result<_, _>>()?;
        let within = within.map_or(core_limits::STEP_UP, Duration::from_secs);
        let step_up = StepUp::new(named, within, Assurance::default())
            .map_err(|fault| Problem::invalid(fault.to_string()))?;
        let details =
            json!({ "mechanisms": mechanisms, "within": within.as_secs(), "reason": reason });
        match self.shared.connections.step_up(self::named(asked)?, step_up).await {
            Some(Ok(due)) => Done::with(&model::StepUpAsked { due: due.as_secs() }, details),
            Some(Err(Unasked::Over)) | None => Err(over()),
            Some(Err(unasked @ (Unasked::Owes | Unasked::Deaf | Unasked::Mechanism(_)))) => {
                Err(Problem::conflict(unasked.to_string()))
            }
        }
    }

    /// Where a page begins. The name of another run of the process stands nowhere among ours.
    fn cursor(&self, text: &str) -> Result<ConnectionName, Problem> {
        let name =
            text.parse().map_err(|_| Problem::invalid("`after` is not from a page before"))?;
        if self.shared.connections.is_ours(name) {
            Ok(name)
        } else {
            Err(Problem::invalid("`after` is from before the gateway was started again"))
        }
    }
}

/// A filter as it is written.
struct Wanted {
    subject: Option<Box<str>>,
    issuer: Option<Box<str>>,
    session: Option<Box<str>>,
    route: Option<Box<str>>,
    mechanism: Option<Box<str>>,
    address: Option<Box<str>>,
    older_than: Option<u64>,
    younger_than: Option<u64>,
}

impl Wanted {
    fn details(&self) -> serde_json::Value {
        json!({
            "subject": self.subject,
            "issuer": self.issuer,
            "session": self.session,
            "route": self.route,
            "mechanism": self.mechanism,
            "address": self.address,
            "older_than": self.older_than,
            "younger_than": self.younger_than,
        })
    }

    fn filter(self) -> Result<Filter, Problem> {
        let known = |name: &str| mechanism("mechanism", name);
        let mechanism = self.mechanism.as_deref().map(known).transpose()?;
        let address = self.address.as_deref().map(network).transpose()?;
        Ok(Filter {
            subject: self.subject,
            issuer: self.issuer,
            session: self.session,
            route: self.route,
            mechanism,
            address,
            older_than: self.older_than.map(Duration::from_secs),
            younger_than: self.younger_than.map(Duration::from_secs),
        })
    }
}

fn mechanism(member: &str, name: &str) -> Result<Mechanism, Problem> {
    Mechanism::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect();
        Problem::invalid(format!("`{member}` is one of {}", names.join(", ")))
    })
}

fn network(text: &str) -> Result<IpNet, Problem> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse::<IpNet>()
        .or_else(|_| address())
        .map_err(|_| Problem::invalid("`address` is an address, or a block such as 10.0.0.0/8"))
}

fn named(asked: &Asked) -> Result<ConnectionName, Problem> {
    asked
        .argument()
        .parse()
        .map_err(|error: crate::serve::connections::NotAName| Problem::not_found(error.to_string()))
}

fn over() -> Problem {
    Problem::not_found("there is no such connection; it may be over, or on another node")
}

/// How many entries a page has.
pub(super) fn limit(asked: &Asked, most: usize) -> Result<usize, Problem> {
    match asked.parameter("limit").map(str::parse) {
        None => Ok(limits::LISTED_BY_DEFAULT),
        Some(Ok(limit)) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::invalid(format!("`limit` is a number from 1 to {most}"))),
    }
}

/// A reason is a line of text.
pub(super) fn check_reason(reason: Option<&str>) -> Result<(), Problem> {
    match reason {
        Some(reason)
            if reason.len() > limits::REASON_BYTES || reason.contains(char::is_control) =>
        {
            let most = limits::REASON_BYTES;
            Err(Problem::invalid(format!("`reason` is one line of at most {most} bytes")))
        }
        Some(_) | None => Ok(()),
    }
}

/// As the API shows it.
pub(super) fn shown(details: &Details) -> model::Connection {
    let Details {
        id,
        principal,
        carrier,
        route,
        peer,
        origin,
        since,
        lease_ends,
        second,
        to_client,
        to_upstream,
    } = details;
    let (stepped_up, step_up_due) = match second {
        Second::Unasked => (None, None),
        Second::Owed(due) => (None, Some(due.as_secs())),
        Second::Shown(at) => (Some(at.as_secs()), None),
    };
    model::Connection {
        id: id.to_string().into(),
        subject: principal.subject.clone(),
        issuer: (&*principal.issuer).into(),
        mechanism: principal.mechanism.name().into(),
        methods: principal.methods.to_vec(),
        context: principal.context.clone(),
        carrier: carrier.name().into(),
        route: route.name().into(),
        address: peer.to_string().into(),
        origin: origin.clone(),
        since: since.as_secs(),
        expires: principal.expires.as_secs(),
        lease_ends: lease_ends.map(vestibule_core::time::UnixTime::as_secs),
        token: principal.token_id.clone(),
        session: principal.session.clone(),
        stepped_up,
        step_up_due,
        to_client: *to_client,
        to_upstream: *to_upstream,
    }
}
