//! A requirement as text for people.

use std::fmt;

use super::rule::{Part, Requirement, Rule};

/// English text on one line, for logs and tables. Programs read the [data form](Requirement#data-form).
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part() {
            Part::Condition(condition) => write!(f, "{condition}"),
            Part::Combined(Rule::All(parts) | Rule::Any(parts)) if parts.is_empty() => f.write_str("nobody (a fault)"),
            Part::Combined(Rule::AtLeast(count, parts)) => {
                write!(f, "at least {count} of (")?;
                for (index, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            Part::Combined(Rule::All(parts)) => join(f, parts, "and"),
            Part::Combined(Rule::Any(parts)) => join(f, parts, "or"),
            Part::Combined(Rule::Not(inner)) => write!(f, "not ({inner})"),
            Part::Combined(Rule::InTransaction(inner)) => write!(f, "in a transaction with ({inner})"),
            Part::Combined(Rule::Hidden(inner)) => {
                in_brackets(f, inner)?;
                f.write_str(" (else 404)")
            }
            Part::Combined(Rule::Shadow(inner, _)) => write!(f, "shadow ({inner})"),
        }
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Requirement({self})")
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Requirement], word: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            write!(f, " {word} ")?;
        }
        in_brackets(f, part)?;
    }
    Ok(())
}

/// Brackets around chains, which would read differently beside their neighbours.
fn in_brackets(f: &mut fmt::Formatter<'_>, part: &Requirement) -> fmt::Result {
    match part.part() {
        Part::Combined(Rule::All(_) | Rule::Any(_)) => write!(f, "({part})"),
        _ => write!(f, "{part}"),
    }
}
