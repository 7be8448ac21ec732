//! The scheme before a credential.

/// The credential behind `scheme` and its spaces; `None` if the line is of another scheme.
#[inline]
pub(super) fn after_scheme<'l>(line: &'l str, scheme: &str) -> Option<&'l str> {
    let (start, rest) = line.split_at_checked(scheme.len())?;
    if !start.eq_ignore_ascii_case(scheme) || !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    // Not `trim_start_matches`, whose search costs more than the one space that is there.
    let spaces = rest.bytes().take_while(|byte| *byte == b' ').count();
    rest.get(spaces..)
}
