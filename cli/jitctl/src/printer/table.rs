//! Tables: as wide as the terminal on a terminal, unwrapped in a pipe.

use comfy_table::{Attribute, Color, ContentArrangement, Table};

use super::Style;

/// How a cell should strike the eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As the rest.
    Normal,
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// Wants attention.
    Warn,
}

/// One cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in a tone.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Normal)
    }
}

/// A table without frames; columns are parted by two spaces.
pub(crate) fn table(style: Style, header: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    if style.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if style.terminal {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(
        header
            .iter()
            .map(|text| comfy_table::Cell::new(text).add_attribute(Attribute::Bold)),
    );
    for row in rows {
        table.add_row(row.into_iter().map(drawn));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

fn drawn(cell: Cell) -> comfy_table::Cell {
    let drawn = comfy_table::Cell::new(cell.text);
    match cell.tone {
        Tone::Normal => drawn,
        Tone::Good => drawn.fg(Color::Green),
        Tone::Bad => drawn.fg(Color::Red),
        Tone::Warn => drawn.fg(Color::Yellow),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Tone, table};
    use crate::printer::Style;

    #[test]
    fn a_pipe_gets_aligned_plain_columns() {
        let rows = vec![
            vec![Cell::from("m1"), Cell::toned("up", Tone::Good)],
            vec![Cell::from("bridge-2"), Cell::toned("down", Tone::Bad)],
        ];
        let text = table(Style::PLAIN, &["host", "state"], rows);
        assert_eq!(text, "host      state\nm1        up\nbridge-2  down");
    }
}
