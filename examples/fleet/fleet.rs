//! Everything that runs, and the start of it.

use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::Value;

use crate::Result;
use crate::answers::ASK_EVERY;
use crate::bundles::{Operator, Rules, SERVICES, ZONES, policy};
use crate::command::Plane;
use crate::documents::DocumentHost;
use crate::issuer::TokenService;
use crate::revocations::Revocations;
use crate::service::Instance;

/// How soon every instance must be ready.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// What the instances need around them.
pub struct Parts {
    pub documents: DocumentHost,
    pub operator: Operator,
    pub tokens: TokenService,
    pub revocations: Revocations,
    pub plane: Plane,
    pub http: reqwest::Client,
}

/// The parts and the twelve instances.
pub struct Fleet {
    pub parts: Parts,
    pub instances: Vec<Instance>,
}

impl Fleet {
    /// Publishes revision 1, and starts three instances of each service under it.
    pub async fn start() -> Result<Self> {
        let tokens = TokenService::start().await?;
        let parts = Parts {
            documents: DocumentHost::start().await?,
            operator: Operator::new()?,
            revocations: Revocations::start(&tokens.issuer).await?,
            plane: Plane::start().await?,
            http: reqwest::Client::builder().no_proxy().build()?,
            tokens,
        };
        for service in SERVICES {
            let first = policy(parts.tokens.url(), service, Rules::First)?;
            parts.operator.publish(&parts.documents, &ZONES, service, 1, first)?;
        }
        let starting = SERVICES.into_iter().flat_map(|service| {
            let parts = &parts;
            let in_zone =
                move |(number, zone)| Instance::start(parts, service, zone, format!("{service}-{}", number + 1));
            ZONES.into_iter().enumerate().map(in_zone)
        });
        let instances = try_join_all(starting).await?;
        let fleet = Fleet { parts, instances };
        try_join_all(fleet.instances.iter().map(|instance| fleet.ready(instance))).await?;
        Ok(fleet)
    }

    /// Waits until an instance has keys, and knows the revocations so far.
    async fn ready(&self, instance: &Instance) -> Result<()> {
        let url = format!("{}/ready", instance.url());
        let ready = async {
            loop {
                let report: Value = serde_json::from_str(&self.parts.http.get(&url).send().await?.text().await?)?;
                if report["status"] == "ready" && report["revocations"]["is_complete"] == true {
                    return Ok(());
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        let late = |_| format!("{} is not ready after {READY_WITHIN:?}", instance.name);
        tokio::time::timeout(READY_WITHIN, ready).await.map_err(late)?
    }

    /// Signs the next revision of every service, publishes it everywhere, and hints to all instances.
    pub async fn publish(&self, revision: u64, rules: Rules) -> Result<()> {
        for service in SERVICES {
            let next = policy(self.parts.tokens.url(), service, rules)?;
            self.parts.operator.publish(&self.parts.documents, &ZONES, service, revision, next)?;
        }
        self.hint().await
    }

    /// Signs the next revision of every service as a shadow.
    pub async fn publish_shadow(&self, revision: u64, rules: Rules) -> Result<()> {
        for service in SERVICES {
            let next = policy(self.parts.tokens.url(), service, rules)?;
            self.parts.operator.publish_shadow(&self.parts.documents, service, revision, next)?;
        }
        self.hint().await
    }

    /// Tells every instance to pull. Without a hint, each pulls once a minute.
    pub async fn hint(&self) -> Result<()> {
        let hint = async |instance: &Instance| {
            let sent = self.parts.http.post(format!("{}/hint", instance.url())).send().await;
            sent.and_then(reqwest::Response::error_for_status)
        };
        try_join_all(self.instances.iter().map(hint)).await?;
        Ok(())
    }

    /// Ends an instance, and starts another of its name by hand.
    pub async fn start_by_hand(&mut self, name: &str) -> Result<()> {
        let place = self.instances.iter().position(|one| one.name == name).ok_or("not an instance")?;
        let Instance { service, zone, .. } = self.instances.remove(place);
        let instance = Instance::start_by_hand(&self.parts, service, zone, name.to_owned()).await?;
        self.ready(&instance).await?;
        self.instances.insert(place, instance);
        Ok(())
    }
}
