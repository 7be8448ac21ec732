//! Results as JUnit XML, which CI systems read.

use super::results::Run;
use crate::exit::Exit;

/// One test case for each attack, and one for the valid token.
pub(super) fn report(url: &str, run: &Run) -> String {
    let failures = run.rows.iter().filter(|row| row.outcome != "refused").count();
    let errors = usize::from(run.exit == Exit::Undecided);
    let is_open = run.exit == Exit::Rejected && failures == 0;
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"countersign attack {}\" tests=\"{}\" failures=\"{}\" errors=\"{errors}\" skipped=\"{}\">\n",
        escaped(url),
        run.rows.len() + run.skipped.len() + 1,
        failures + usize::from(is_open),
        run.skipped.len(),
    );
    let problem = match (errors, is_open) {
        (1, _) => format!("<error message=\"{}\"/>", escaped(&run.message)),
        (_, true) => format!("<failure message=\"{}\"/>", escaped(&run.message)),
        _ => String::new(),
    };
    text.push_str(&case("a_valid_token_is_accepted_and_none_is_refused", &problem));
    for row in &run.rows {
        let problem = match row.outcome {
            "refused" => String::new(),
            outcome => {
                let status = row.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
                format!("<failure message=\"{outcome}: {status}, expected {}\"/>", row.expected)
            }
        };
        text.push_str(&case(row.name, &problem));
    }
    for skipped in &run.skipped {
        text.push_str(&case(skipped.name, &format!("<skipped message=\"{}\"/>", escaped(&skipped.reason))));
    }
    text.push_str("</testsuite>\n");
    text
}

fn case(name: &str, problem: &str) -> String {
    format!("  <testcase classname=\"countersign.attack\" name=\"{name}\">{problem}</testcase>\n")
}

/// Text as the value of an XML attribute. What XML 1.0 forbids is not visible, so [`safe`](crate::output::safe) escapes it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in crate::output::safe(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}
