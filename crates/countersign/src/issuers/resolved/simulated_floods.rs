//! The wait of a tenant that is not cached, in simulations of what an untrusted client can send.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::policy::ResolvePolicy;
use super::uncached::Uncached;

/// Requests of the untrusted client per second.
const RATE: u32 = 100;

/// The end of a simulation.
const END: Duration = Duration::from_secs(75);

const TENANT: &str = "https://tenant.example";

const SECOND: Duration = Duration::from_secs(1);

/// A flood of invented names.
#[derive(Clone, Copy, Debug)]
struct Flood {
    /// The requests for each name.
    repeats: u32,
    /// The number of names that take turns.
    in_turn: u32,
    hosts: Hosts,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Hosts {
    /// One for each name.
    Many,
    /// One, which is not the tenant's.
    One,
    /// That of the tenant.
    OfTheTenant,
}

impl Flood {
    /// One name each; 20 names again and again; 3, 10 and 50 requests for each name, at once or spread over time; and the
    /// numbers that are hardest for a tenant with this budget. From many hosts, another host, and the same host.
    fn all() -> Vec<Flood> {
        let shapes = [(1, 1), (u32::MAX, 20), (2, 1), (3, 1), (3, 33), (3, 100), (5, 1), (5, 20), (6, 1), (8, 1)];
        let shapes = shapes.into_iter().chain([(8, 100), (8, 300), (10, 1), (10, 40), (50, 1), (50, 40)]);
        let hosts = [Hosts::Many, Hosts::One, Hosts::OfTheTenant];
        shapes.flat_map(|(repeats, in_turn)| hosts.map(|hosts| Flood { repeats, in_turn, hosts })).collect()
    }

    /// The name and host of a request.
    fn request(self, number: u32) -> (String, String) {
        let (round, name) = (number / self.in_turn / self.repeats, number % self.in_turn);
        let name = format!("{round}-{name}");
        let host = match self.hosts {
            Hosts::Many => format!("{name}.example"),
            Hosts::One => "elsewhere.example".to_owned(),
            Hosts::OfTheTenant => TENANT.to_owned(),
        };
        (name, host)
    }
}

/// The time from the first request for the tenant until it is looked up. `asked` are the times of those requests.
fn wait(flood: Flood, asked: &[Duration]) -> Option<Duration> {
    let began = SECOND * 10;
    let mut uncached = Uncached::<String>::new(&ResolvePolicy::default());
    let started = RefCell::new(Vec::new());
    let mut refused = HashSet::new();
    let mut asked = asked.iter().map(|after| began + *after).peekable();
    for number in 0.. {
        let elapsed = SECOND * number / RATE;
        if elapsed > END {
            break;
        }
        let of_tenant = asked.next_if(|at| *at <= elapsed).map(|_| (TENANT.to_owned(), TENANT.to_owned()));
        for (name, host) in of_tenant.into_iter().chain([flood.request(number)]) {
            if refused.contains(&name) {
                continue;
            }
            let new = |name: &str| {
                started.borrow_mut().push(name.to_owned());
                Arc::new(name.to_owned())
            };
            let _ = uncached.start(&name, &host, elapsed, new);
            for name in started.take() {
                uncached.take_pending(&name);
                if name == TENANT {
                    return Some(elapsed.saturating_sub(began));
                }
                refused.insert(name);
            }
        }
    }
    None
}

/// Times this far apart, until the end.
fn every(pause: Duration) -> Vec<Duration> {
    (0..2_000).map(|number| pause * number).take_while(|at| *at < END).collect()
}

#[test]
fn s15_01_no_flood_of_invented_names_keeps_a_tenant_out_that_is_asked_for_each_second() {
    for flood in Flood::all() {
        for (per_second, limit) in [(1, 11), (2, 6), (10, 2)] {
            let waited = wait(flood, &every(SECOND / per_second));
            assert!(waited.is_some_and(|waited| waited <= SECOND * limit), "{per_second}: {flood:?}: {waited:?}");
        }
    }
}

#[test]
fn s15_01_a_tenant_that_is_seldom_asked_for_gets_in_during_every_flood() {
    for flood in Flood::all() {
        let waited = wait(flood, &every(SECOND * 8));
        assert!(waited.is_some_and(|waited| waited <= SECOND * 64), "{flood:?}: {waited:?}");
        let twice = |number| [SECOND * 15 * number, SECOND * 15 * number + SECOND];
        let waited = wait(flood, &(0..6).flat_map(twice).collect::<Vec<_>>());
        assert!(waited.is_some_and(|waited| waited <= SECOND * 62), "{flood:?}: {waited:?}");
    }
}

/// An untrusted client that sends three requests for each name outranks a tenant that is asked for twice, always; not by lot.
#[test]
fn s15_01_a_tenant_that_is_asked_for_twice_has_a_chance_in_every_flood() {
    for (repeats, in_turn) in [(3, 1), (3, 33), (3, 100), (5, 20)] {
        let flood = Flood { repeats, in_turn, hosts: Hosts::Many };
        // More than half of the runs; none at all in less than one of a million tests.
        let got_in = (0..20).filter(|_| wait(flood, &[Duration::ZERO, SECOND]).is_some()).count();
        assert!(got_in > 0, "{flood:?}");
    }
}
