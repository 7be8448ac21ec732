//! A report of several runs: what a later one measured replaces what an earlier one did.

use super::{Report, Table};

impl Report {
    /// Takes the goals, rows and points of a later run.
    pub fn merge(&mut self, later: Report) {
        for goal in later.goals {
            match self.goals.iter_mut().find(|known| known.what == goal.what) {
                Some(known) => *known = goal,
                None => self.goals.push(goal),
            }
        }
        for point in later.points {
            let is_same = |known: &&mut super::Point| (&known.series, known.size) == (&point.series, point.size);
            match self.points.iter_mut().find(is_same) {
                Some(known) => *known = point,
                None => self.points.push(point),
            }
        }
        for table in later.tables {
            match self.tables.iter_mut().find(|known| known.title == table.title) {
                Some(known) if known.head == table.head => known.merge(table),
                Some(known) => *known = table,
                None => self.tables.push(table),
            }
        }
    }
}

impl Table {
    fn merge(&mut self, later: Table) {
        // A row is named by its first cell; if the second column has no head, by both.
        let named_by = if self.head.get(1).is_some_and(String::is_empty) { 2 } else { 1 };
        for row in later.rows {
            let is_same = |known: &&mut Vec<String>| known.iter().take(named_by).eq(row.iter().take(named_by));
            match self.rows.iter_mut().find(is_same) {
                Some(known) => *known = row,
                None => self.rows.push(row),
            }
        }
        self.rows.sort_by_key(|row| row.first().and_then(|cell| cell.parse::<u64>().ok()).unwrap_or(u64::MAX));
        self.note = later.note;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rows: &[[&str; 3]], measured: f64) -> Report {
        let mut report = Report::default();
        let rows = rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
        report.table("Times", "", &["verifiers", "", "median"], rows);
        report.at_most("all", " s", 2.0, measured);
        report.point("a revision", 10, measured);
        report
    }

    #[test]
    fn a_later_run_replaces_what_it_measured_and_keeps_the_rest() {
        let mut first = report(&[["10", "a", "1"], ["10", "b", "2"], ["1000", "a", "3"]], 1.0);
        first.merge(report(&[["100", "a", "4"], ["10", "b", "5"]], 3.0));
        let rows: Vec<String> = first.tables[0].rows.iter().map(|row| row.join(" ")).collect();
        assert_eq!(rows, ["10 a 1", "10 b 5", "100 a 4", "1000 a 3"]);
        assert_eq!((first.goals.len(), first.goals[0].is_met, first.points.len()), (1, false, 1));
    }
}
