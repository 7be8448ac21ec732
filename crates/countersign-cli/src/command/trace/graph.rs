//! The caller of each decision's service.

use std::collections::HashMap;

use super::line::Event;

/// The party that called a service, as far as the lines tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parent {
    /// No line is of the caller: it is outside, or does not record allowed requests.
    None,
    /// This decision's service called while it served that request.
    Known(usize, Evidence),
    /// One of these; nothing tells which.
    Ambiguous(Vec<usize>),
    /// One of more than are looked at.
    Unknown,
}

/// The most requests that are looked at for the caller of one.
const MAX_CANDIDATES: usize = 100;

/// The ground on which the caller is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The span of the caller.
    Span,
    /// The client of the token, which only one decision's service is.
    Client,
    /// The client, and the only request of that service that was served at the time.
    Time,
}

impl Evidence {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Evidence::Span => "span",
            Evidence::Client => "client",
            Evidence::Time => "time",
        }
    }
}

/// The parent of each decision.
pub(super) fn parents(events: &[Event]) -> Vec<Parent> {
    let mut parents: Vec<Parent> = candidates(events)
        .into_iter()
        .map(|(mut found, evidence)| match found.len() {
            0 => Parent::None,
            1 => found.pop().map_or(Parent::None, |only| Parent::Known(only, evidence)),
            many if many > MAX_CANDIDATES => Parent::Unknown,
            _ => Parent::Ambiguous(found),
        })
        .collect();
    break_circles(&mut parents);
    narrow(&mut parents);
    by_time(events, &mut parents);
    narrow(&mut parents);
    parents
}

/// The decisions whose services may have called, for each decision.
fn candidates(events: &[Event]) -> Vec<(Vec<usize>, Evidence)> {
    let mut by_span: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let mut by_client: HashMap<&str, Vec<usize>> = HashMap::new();
    for (number, event) in events.iter().enumerate() {
        if let Some((trace, span)) = event.trace_id.as_deref().zip(event.span_id.as_deref()) {
            by_span.entry((trace, span)).or_default().push(number);
        }
        by_client.entry(event.name_as_client()).or_default().push(number);
    }
    let of = |(number, event): (usize, &Event)| {
        let others = |found: Option<&Vec<usize>>| -> Vec<usize> {
            let others = found.into_iter().flatten().copied().filter(|other| *other != number);
            others.take(MAX_CANDIDATES + 1).collect()
        };
        let span = event.trace_id.as_deref().zip(event.parent_id.as_deref());
        let spans = others(span.and_then(|span| by_span.get(&span)));
        if spans.len() == 1 {
            return (spans, Evidence::Span);
        }
        let is_of_issuer = |other: &usize| {
            events.get(*other).is_some_and(|other| other.may_call_with_tokens_of(event.issuer.as_deref()))
        };
        let mut clients = others(event.caller().and_then(|caller| by_client.get(caller)));
        clients.retain(is_of_issuer);
        // A service that refused a request made no call for it, unless a handler refused after one.
        let is_served = |other: &usize| events.get(*other).is_some_and(Event::is_allowed);
        let has_served = clients.len() <= MAX_CANDIDATES && clients.iter().any(is_served);
        (clients.into_iter().filter(|other| !has_served || is_served(other)).collect(), Evidence::Client)
    };
    events.iter().enumerate().map(of).collect()
}

/// Takes candidates away that the decision itself led to, until nothing changes.
fn narrow(parents: &mut [Parent]) {
    loop {
        let mut has_changed = false;
        for number in 0..parents.len() {
            let Some(Parent::Ambiguous(candidates)) = parents.get(number) else { continue };
            let left: Vec<usize> =
                candidates.iter().copied().filter(|candidate| !leads_to(parents, number, *candidate)).collect();
            if left.len() == candidates.len() {
                continue;
            }
            has_changed = true;
            let parent = match left[..] {
                [] => Parent::None,
                [only] => Parent::Known(only, Evidence::Client),
                _ => Parent::Ambiguous(left),
            };
            if let Some(place) = parents.get_mut(number) {
                *place = parent;
            }
        }
        if !has_changed {
            return;
        }
    }
}

/// Returns whether `ancestor` is above `number`, by what is known.
fn leads_to(parents: &[Parent], ancestor: usize, number: usize) -> bool {
    let mut current = number;
    for _ in 0..parents.len() {
        match parents.get(current) {
            Some(Parent::Known(above, _)) if *above == ancestor => return true,
            Some(Parent::Known(above, _)) => current = *above,
            _ => return false,
        }
    }
    false
}

/// Services that only call each other have no first one: their lines contradict each other, so none is known.
fn break_circles(parents: &mut [Parent]) {
    for number in 0..parents.len() {
        if leads_to(parents, number, number)
            && let Some(place) = parents.get_mut(number)
            && let Parent::Known(above, _) = *place
        {
            *place = Parent::Ambiguous(vec![above]);
        }
    }
}

/// Decides by time if that contradicts nothing: each call of one service by one client happened within exactly one of
/// the requests in question. If the clocks of the two differ by more than that, some call is within none, and all stay as
/// they are.
fn by_time(events: &[Event], parents: &mut [Parent]) {
    let mut groups: HashMap<(&str, Vec<usize>), Vec<usize>> = HashMap::new();
    for (number, (event, parent)) in events.iter().zip(parents.iter()).enumerate() {
        if let Parent::Ambiguous(candidates) = parent {
            groups.entry((&event.service, candidates.clone())).or_default().push(number);
        }
    }
    for ((_, candidates), numbers) in groups {
        let within = |number: usize| -> Option<usize> {
            let time = events.get(number)?.time_us;
            let mut found = candidates.iter().copied().filter(|candidate| {
                events.get(*candidate).is_some_and(|event| {
                    let end = event.time_us.saturating_add(i64::try_from(event.duration_us).unwrap_or(i64::MAX));
                    (event.time_us..=end).contains(&time)
                })
            });
            found.next().filter(|_| found.next().is_none())
        };
        let Some(found) = numbers.iter().map(|number| within(*number)).collect::<Option<Vec<usize>>>() else {
            continue;
        };
        for (number, parent) in numbers.into_iter().zip(found) {
            if !leads_to(parents, number, parent)
                && let Some(place) = parents.get_mut(number)
            {
                *place = Parent::Known(parent, Evidence::Time);
            }
        }
    }
}
