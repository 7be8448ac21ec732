//! The registered clients.

use std::collections::HashMap;
use std::sync::Arc;

use super::Client;

/// The clients by id.
#[derive(Debug, Default)]
pub(crate) struct Registry(HashMap<Box<str>, Arc<Client>>);

impl Registry {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.0.values()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Arc<Client>> {
        self.0.get(id)
    }
}

impl FromIterator<Client> for Registry {
    fn from_iter<I: IntoIterator<Item = Client>>(clients: I) -> Self {
        Registry(clients.into_iter().map(|client| (client.id().into(), Arc::new(client))).collect())
    }
}
