//! Aligned columns for people.

use std::fmt;

/// A table with a head. Numbers, and what else looks like one, stand to the right.
#[derive(Debug)]
pub(super) struct Table<const COLUMNS: usize> {
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(super) fn new(head: [&str; COLUMNS]) -> Self {
        Self {
            rows: vec![head.map(str::to_owned)],
        }
    }

    pub(super) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |cell: &str| cell.chars().count();
        let mut widths = [0; COLUMNS];
        let mut numbers = [true; COLUMNS];
        for (index, row) in self.rows.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                widths[column] = widths[column].max(width(cell));
                let is_number = cell.starts_with(|c: char| c.is_ascii_digit()) || cell == "-";
                numbers[column] &= index == 0 || is_number;
            }
        }
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let gap = " ".repeat(widths[column] - width(cell));
                let (before, after) = if numbers[column] {
                    (gap.as_str(), "")
                } else {
                    ("", gap.as_str())
                };
                line.push_str(before);
                line.push_str(cell);
                line.push_str(after);
                line.push_str("  ");
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_right() {
        let mut table = Table::new(["NAME", "PID"]);
        table.row(["a".to_owned(), "5".to_owned()]);
        table.row(["länger".to_owned(), "12345".to_owned()]);
        table.row(["b".to_owned(), "-".to_owned()]);
        assert_eq!(
            table.to_string(),
            "NAME      PID\n\
             a           5\n\
             länger  12345\n\
             b           -\n"
        );
    }
}
