//! The events of shared signals that mean revocations (OpenID CAEP 1.0), and their subjects (RFC 9493).

use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::integration::SignalEvents;
use countersign_core::revocation::RevocationNotice;
use serde::Deserialize;

use super::receiver::{NotTaken, end_of_second, invalid};

/// The events that end what the subject has: sessions, and tokens with old claims or credentials.
const ENDING: [&str; 3] = [
    "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
    "https://schemas.openid.net/secevent/caep/event-type/token-claims-change",
    "https://schemas.openid.net/secevent/caep/event-type/credential-change",
];

/// A subject identifier (RFC 9493 §3), or a complex one of shared signals.
#[derive(Default, Deserialize)]
struct Subject {
    format: Option<String>,
    iss: Option<String>,
    sub: Option<String>,
    id: Option<String>,
    user: Option<Box<Subject>>,
    session: Option<Box<Subject>>,
}

/// The part of an event's payload that is read.
#[derive(Deserialize)]
struct Event {
    event_timestamp: Option<serde_json::Number>,
}

/// The revocations that the events mean. Events of other types mean none, and neither do subjects of other issuers or formats.
pub(super) fn notices(signal: &SignalEvents, max_lifetime: Duration) -> Result<Vec<RevocationNotice>, NotTaken> {
    let mut notices = Vec::new();
    for (_, event) in signal.events.iter().filter(|(name, _)| ENDING.contains(&name.as_str())) {
        let json = signal.subject.as_deref().ok_or_else(|| invalid("sub_id is absent"))?;
        let subject: Subject = serde_json::from_str(json).map_err(|_| invalid("sub_id is no subject identifier"))?;
        let event: Event = serde_json::from_str(event).map_err(|_| invalid("the event is no object of its type"))?;
        // What was issued after the event is not meant; a time after the token's is no time of an event.
        let stated = event.event_timestamp.as_ref().and_then(serde_json::Number::as_u64).map(UnixTime::from_secs);
        let at = stated.map_or(signal.issued_at, |at| at.min(signal.issued_at));
        notices.extend(notice(&signal.issuer, &subject, at, at.saturating_add(max_lifetime))?);
    }
    Ok(notices)
}

fn notice(
    issuer: &str,
    subject: &Subject,
    at: UnixTime,
    expires_at: UnixTime,
) -> Result<Option<RevocationNotice>, NotTaken> {
    let is_complex = subject.format.as_deref() == Some("complex");
    let session = subject.session.as_deref().filter(|_| is_complex);
    let user = if is_complex { subject.user.as_deref() } else { Some(subject) };
    if let Some(id) =
        session.filter(|session| session.format.as_deref() == Some("opaque")).and_then(|it| it.id.as_ref())
    {
        return RevocationNotice::session(issuer, id, expires_at).map(Some).map_err(|_| invalid("a name is too long"));
    }
    let Some(user) = user.filter(|user| user.format.as_deref() == Some("iss_sub")) else { return Ok(None) };
    match (user.iss.as_deref(), user.sub.as_deref()) {
        // An issuer ends nothing of another one.
        (Some(named), Some(name)) if named == issuer => {
            let notice = RevocationNotice::subject(issuer, name, end_of_second(at), expires_at);
            notice.map(Some).map_err(|_| invalid("a name is empty or too long"))
        }
        (Some(_), Some(_)) => Ok(None),
        _ => Err(invalid("the subject lacks iss or sub")),
    }
}
