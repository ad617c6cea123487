//! Columns of text, as Docker's list commands print them.
//!
//! A column is as wide as its widest cell and three spaces, and never narrower than ten; the last one is not padded.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

/// The space between two columns.
const GAP: usize = 3;
/// The least width of a column with its gap.
const COLUMN_MIN: usize = 10;

/// Rows under upper-case headers.
#[derive(Debug, Clone)]
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with these headers and no rows.
    pub fn new(headers: [&str; N]) -> Self {
        Self { rows: vec![headers.map(str::to_uppercase)] }
    }

    /// Adds a row below the others. Line breaks and tabs in a cell become spaces.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| one_line(&cell)));
    }

    /// The text, each line with its end.
    pub fn render(&self) -> String {
        let rows: Vec<Vec<&str>> =
            self.rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
        columns(&rows)
    }
}

/// Lines of cells in columns, each line with its end. Lines need not be of one length.
pub(super) fn columns(rows: &[Vec<&str>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), COLUMN_MIN);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (cell.width() + GAP).max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = if i + 1 == row.len() { 0 } else { width - cell.width() };
            let _ = write!(text, "{cell}{:padding$}", "");
        }
        text.push('\n');
    }
    text
}

/// A cell without line breaks and tabs, which become spaces.
pub(super) fn one_line(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let mut table = Table::new(["Repository", "Tag", "Image ID", "Created", "Size"]);
        for [repository, tag, id, created, size] in [
            ["koa-server-image", "latest", "0123456789ab", "2 minutes ago", "72.8MB"],
            ["node", "12.20.1", "ba9876543210", "About an hour ago", "1GB"],
        ] {
            table.row([repository, tag, id, created, size].map(str::to_owned));
        }
        assert_eq!(
            table.render(),
            "\
REPOSITORY         TAG       IMAGE ID       CREATED             SIZE
koa-server-image   latest    0123456789ab   2 minutes ago       72.8MB
node               12.20.1   ba9876543210   About an hour ago   1GB
"
        );
    }

    #[test]
    fn wide_characters_and_line_breaks_keep_columns_straight() {
        let mut table = Table::new(["a", "b"]);
        table.row(["日本語日本語".to_owned(), "x".to_owned()]);
        table.row(["two\nlines".to_owned(), "y".to_owned()]);
        assert_eq!(table.render(), "A              B\n日本語日本語   x\ntwo lines      y\n");
    }

    #[test]
    fn a_table_without_rows_is_its_headers() {
        assert_eq!(Table::new(["image", "size"]).render(), "IMAGE     SIZE\n");
    }
}
