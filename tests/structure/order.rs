//! The stated order of the modules, the stated exceptions, and what breaks either.

use std::collections::BTreeSet;

use crate::graph::Graph;

/// A crate and its top-level modules, lowest first: a module imports only from itself and from those before it.
pub struct Order {
    pub krate: &'static str,
    pub modules: &'static str,
}

/// An import that would be a fault, and why it stays. `from` may be a folder and then ends with a slash.
#[derive(Clone, Copy)]
pub struct Exception {
    pub krate: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub reason: &'static str,
}

pub const ORDERS: [Order; 10] = [
    Order {
        krate: CORE,
        modules: "redact error clock counter metrics budget digest fips algorithm secret pseudonym token cache claims authz key policy mint status verify proof \
                  inspect bundle revocation integration",
    },
    Order {
        krate: MAIN,
        modules: "rt file fetch connection telemetry refresh client response audit revocation status listed proof tls queue keys issuers health reload introspect authenticate outbound receivers metrics guard lifetime \
                  extract fleet grpc app integration prelude",
    },
    Order {
        krate: ISSUER,
        modules: "file audit oauth policy counts jti store proof throttle rotation status client service metrics grant mint endpoint builder config",
    },
    Order { krate: APIKEY, modules: "form pepper store error key ring check keys router" },
    Order {
        krate: GATEWAY,
        modules: "octets target identity problem request decision attach waits begin counts exchange mint swap reach rules gateway metrics decide edge config",
    },
    Order { krate: MCP, modules: "headers session binding access future service layer builder handler" },
    Order { krate: POSTGRES, modules: "tls settings connection" },
    Order { krate: REDIS, modules: "settings link replays revocations bundles" },
    Order {
        krate: TEST,
        modules: "clock ring answer identity draft issuer request proof hostile server opaque provider mock_service",
    },
    Order {
        krate: CLI,
        modules: "exit output log runtime redis server times claim_text encoding input keyfile fetch tools \
                  token_view verification inspector plane command",
    },
];

const CORE: &str = "countersign-core";
const MAIN: &str = "countersign";
const ISSUER: &str = "countersign-issuer";
const APIKEY: &str = "countersign-apikey";
const GATEWAY: &str = "countersign-gateway";
const MCP: &str = "countersign-mcp";
const POSTGRES: &str = "countersign-postgres";
const REDIS: &str = "countersign-redis";
const TEST: &str = "countersign-test";
const CLI: &str = "countersign-cli";

pub const EXCEPTIONS: &[Exception] = &[];

/// Everything in `graph` that breaks the order, lies on a circle, or is excepted without need.
pub fn faults(order: &Order, graph: &Graph, exceptions: &[Exception]) -> Vec<String> {
    let krate = order.krate;
    let mut faults = Vec::new();
    for module in graph.files.iter().map(|file| top(file)).collect::<BTreeSet<_>>() {
        if !order.modules().any(|known| known == module) && !["lib", "main"].contains(&module) {
            faults.push(format!("{krate}: {module} has no place in the order of modules"));
        }
    }
    let mut strict = Graph { files: graph.files.clone(), ..Graph::default() };
    for (pair, mention) in &graph.imports {
        if !exceptions.iter().any(|known| known.covers(pair)) {
            strict.imports.insert(pair.clone(), mention.clone());
        }
    }
    for (pair, mention) in strict.imports.iter().filter(|(pair, _)| order.is_upward(pair)) {
        faults.push(format!("{krate}: {} is below {}: {mention}  [{}]", top(&pair.0), top(&pair.1), pair.1));
    }
    for circle in circles(&strict) {
        faults.push(format!("{krate}: circle of {}", circle.iter().copied().collect::<Vec<_>>().join(", ")));
        let inside = |(from, to): &(String, String)| circle.contains(from.as_str()) && circle.contains(to.as_str());
        for (pair, mention) in strict.imports.iter().filter(|(pair, _)| inside(pair)) {
            faults.push(format!("    {mention}  [{}]", pair.1));
        }
    }
    let reach = graph.reach();
    let is_bad = |pair: &(String, String)| order.is_upward(pair) || reach[pair.1.as_str()].contains(pair.0.as_str());
    for known in exceptions {
        if !graph.imports.keys().any(|pair| known.covers(pair) && is_bad(pair)) {
            let Exception { from, to, reason, .. } = known;
            faults
                .push(format!("{krate}: {from} → {to} is no exception any more ({reason}); remove it from the table"));
        }
    }
    faults
}

impl Exception {
    fn covers(&self, (from, to): &(String, String)) -> bool {
        self.to == to && (self.from == from || (self.from.ends_with('/') && from.starts_with(self.from)))
    }
}

impl Order {
    pub fn modules(&self) -> impl Iterator<Item = &'static str> {
        self.modules.split_whitespace()
    }

    /// `lib.rs` and `main.rs` are above everything.
    fn is_upward(&self, (from, to): &(String, String)) -> bool {
        let place = |file| self.modules().position(|module| module == top(file)).unwrap_or(usize::MAX);
        place(from) < place(to)
    }
}

/// The top-level module of a file.
pub fn top(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or_default()
}

/// The groups of files that reach each other.
fn circles(graph: &Graph) -> BTreeSet<BTreeSet<&str>> {
    let reach = graph.reach();
    let groups = reach.iter().map(|(file, reached)| {
        reached.iter().copied().filter(|other| reach[other].contains(file)).collect::<BTreeSet<_>>()
    });
    groups.filter(|group| group.len() > 1).collect()
}
