//! `POST /auth/ticket`: a ticket for a route, bought with a credential that a browser cannot set on a
//! WebSocket, or must not.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use vestibule_authority::tickets::TicketError;
use vestibule_core::{
    authn::Mechanism, handshake, policy::route, rejection::Rejection, wire::head::RequestHead,
};

use super::{Answer, Visit, answer::Problem};
use crate::config::Route;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The path that is to be opened.
    path: Option<String>,
}

pub(super) async fn answer(visit: &Visit<'_>) -> Result<Answer, Problem> {
    let identities = visit.identities()?;
    let wanted = if visit.body.is_empty() { Wanted::default() } else { visit.json::<Wanted>()? };
    let route = chosen(visit, wanted.path.as_deref())?;
    let credential = visit.for_route(&route)?;
    // A ticket that buys another would live for ever.
    if credential.mechanism == Mechanism::Ticket {
        return Err(Rejection::MechanismNotAllowed.into());
    }
    // Who takes tokens with a proof alone does not take them without one by way of a ticket.
    let takes = |mechanism| route.policy.mechanisms.contains(&mechanism);
    let is_bare = credential.mechanism == Mechanism::Bearer;
    if is_bare && takes(Mechanism::Dpop) && !takes(Mechanism::Bearer) {
        return Err(Rejection::MechanismNotAllowed.into());
    }
    let verified = visit.worker.verify(&credential, &route, &visit.bringing()?).await?;
    handshake::check_demands(verified.principal(), &route.policy)?;
    let now = visit.now().wall;
    let sold =
        identities.tickets.sell(verified.principal(), &route.binding, visit.origin(), now).await;
    let ticket = sold.map_err(|error| refused(&error))?;
    visit.worker.shared.metrics.ticket("minted");
    let token = String::from_utf8_lossy(ticket.token.expose());
    // Rounded down: whoever believes it comes in time.
    let body = json!({ "ticket": token, "expires_in": ticket.expires_in.as_secs() });
    Ok(Answer::json(200, &body))
}

/// The route of the path; without one, the only route that takes tickets.
fn chosen(visit: &Visit<'_>, path: Option<&str>) -> Result<Arc<Route>, Problem> {
    let takes = |route: &Route| route.policy.mechanisms.contains(&Mechanism::Ticket);
    let routes = &visit.worker.shared.config.routes;
    let Some(path) = path else {
        let mut taking = routes.iter().filter(|route| takes(route));
        return match (taking.next(), taking.next()) {
            (Some(route), None) => Ok(Arc::clone(route)),
            (None, _) => Err(Problem::request("no route takes tickets")),
            (Some(_), Some(_)) => Err(Problem::request("say for which route: {\"path\":\"/…\"}")),
        };
    };
    let path = path.split('?').next().unwrap_or_default();
    RequestHead::check_path(path)?;
    let policies = routes.iter().map(|route| (&route.policy, route));
    let route = route::choose(policies, &visit.forwarded.host, path)?;
    if takes(route) {
        Ok(Arc::clone(route))
    } else {
        Err(Problem::request("the route of this path takes no tickets"))
    }
}

fn refused(error: &TicketError) -> Problem {
    Problem::from(error.rejection())
}
