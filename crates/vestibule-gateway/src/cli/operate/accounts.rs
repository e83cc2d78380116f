//! The way to users and keys: by way of the gateway that runs; or, where none does, in the store.

use std::sync::Arc;

use http::Method;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::api::{Api, Failure};
use crate::{
    cli::{CommandError, start},
    config::{Config, Store},
    drive::Clock,
    ops::{
        admin::{self, Audit},
        metrics::Metrics,
    },
    serve::Kept,
};

/// Answers about users and keys.
#[derive(Debug)]
pub(super) struct Accounts {
    api: Option<Api>,
    here: Option<Here>,
}

/// The store, for when nobody else has it.
#[derive(Debug)]
struct Here {
    config: Box<Config>,
    user: Option<String>,
    runtime: Runtime,
}

impl Accounts {
    /// Only by way of a gateway that runs: nothing is known of its store.
    pub(super) fn running(api: Api) -> Self {
        Self { api: Some(api), here: None }
    }

    /// By way of the gateway, where there is one; else in the store of the configuration.
    pub(super) fn new(
        api: Option<Api>,
        config: Config,
        user: Option<String>,
    ) -> Result<Self, CommandError> {
        let here = Here { config: Box::new(config), user, runtime: start::runtime()? };
        Ok(Self { api, here: Some(here) })
    }

    /// Asks, and waits for the answer; null where it has no body.
    pub(super) fn ask(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CommandError> {
        let here = match &self.api {
            None => self.here.as_ref(),
            Some(api) => match (api.ask(method, path, body), &self.here) {
                (Err(Failure::NotRunning), Some(here)) => Some(here),
                (answer, _) => return answer.map_err(|failure| api.failed(failure)),
            },
        };
        match here {
            Some(here) => here.runtime.block_on(here.answer(method, path, body)),
            None => Err(CommandError::Other("no gateway runs".to_owned())),
        }
    }
}

impl Here {
    async fn answer(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CommandError> {
        let other = |text: &str| CommandError::Other(text.to_owned());
        if let Store::Memory = self.config.store {
            return Err(other("no gateway runs, and none keeps anything: `[store]` is in memory"));
        }
        let clock = Clock::start();
        let kept = Kept::open(&self.config, &Arc::new(Metrics::new()), clock).await;
        let kept = kept.map_err(|error| start::failed(&error))?;
        let Some(identities) = &kept.identities else {
            return Err(other("the configuration has no [auth] section, and so no users and keys"));
        };
        let audit = self.config.admin.as_ref().and_then(|admin| admin.audit_log.clone());
        let audit = (&Audit::new(audit), self.user.as_deref());
        let asked = (method, path, body);
        let answer = admin::answer_here(identities, asked, audit, clock.now().wall).await;
        answer.map_err(|(status, text)| match status {
            400..=499 => CommandError::Refused(text),
            _ => CommandError::Other(text),
        })
    }
}
