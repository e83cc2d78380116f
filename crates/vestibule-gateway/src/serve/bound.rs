//! Tokens that are bound to a key, and the proofs that come with them (RFC 9449).

use vestibule_authority::proofs::{Pending, Proofs, Shown, Site};
use vestibule_core::{
    authn::{Challenge, Credential, Exchange, Response, Verified},
    rejection::Rejection,
};
use vestibule_verify::Refused;

use super::Worker;
use crate::config::Route;

impl Worker {
    /// Whose token this is, where its proof came in the same request.
    pub(super) async fn proven(
        &self,
        credential: &Credential,
        route: &Route,
        site: &Site<'_>,
    ) -> Result<Verified, Refused> {
        let Some(proof) = &credential.proof else {
            let reason = "a bound token, and no proof with it";
            return Err(Refused::new(Rejection::DpopProofInvalid, reason));
        };
        let (proofs, now) = (&self.shared.kept.proofs, self.shared.clock.now().wall);
        let nonce = route.policy.dpop_nonce;
        let shown = proofs.read(&credential.secret, proof, site, nonce, now)?;
        self.held(shown, route).await
    }

    /// Asks for a proof.
    pub(super) fn challenged(credential: &Credential) -> Result<Challenge, Refused> {
        Proofs::challenge(&credential.secret)
    }

    /// Whose token it was that a challenge was answered for.
    pub(super) async fn answered(
        &self,
        exchange: Exchange,
        response: &Response,
        route: &Route,
        site: &Site<'_>,
    ) -> Result<Verified, Refused> {
        let pending: Option<Pending> = exchange.into_state();
        let pending = pending
            .ok_or_else(|| Refused::new(Rejection::Internal, "an exchange of somebody else"))?;
        let (proofs, now) = (&self.shared.kept.proofs, self.shared.clock.now().wall);
        let shown = proofs.answered(pending, response, site, now)?;
        self.held(shown, route).await
    }

    async fn held(&self, shown: Shown, route: &Route) -> Result<Verified, Refused> {
        let (shared, clock) = (&self.shared, self.shared.clock);
        let examined = shared.authority.examine(shown.token(), &route.issuers, || clock.now().wall);
        let checked = examined.await?;
        shared.kept.proofs.open_with(shown, checked, clock.now().wall).await
    }
}
