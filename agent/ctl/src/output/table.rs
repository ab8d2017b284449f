//! Tables: columns as wide as their widest cell. What does not fit on the terminal stands below its row, whole.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

/// Between two columns.
const GAP: usize = 2;

/// Rows under their titles, all escaped already. Where lines may be no longer than `most`, as many columns stand beside one
/// another as that allows, and the others on lines of their own.
pub(super) fn lay_out(titles: &[String], rows: &[Vec<String>], most: Option<usize>) -> String {
    let all = || std::iter::once(titles).chain(rows.iter().map(Vec::as_slice));
    let widest =
        |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..titles.len()).map(widest).collect();
    let beside = beside(&widths, most);
    let mut text = String::new();
    for (number, row) in all().enumerate() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths).take(beside) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', (width + GAP).saturating_sub(cell.width())));
        }
        text.push_str(line.trim_end());
        text.push('\n');
        let below = titles.iter().zip(row).skip(beside).filter(|(_, cell)| number > 0 && !cell.is_empty());
        for (title, cell) in below {
            let _ = writeln!(text, "    {}: {cell}", title.to_lowercase()); // writing to a String cannot fail
        }
    }
    text
}

/// How many columns stand beside one another.
fn beside(widths: &[usize], most: Option<usize>) -> usize {
    let Some(most) = most else { return widths.len() };
    let mut end = 0;
    let fits = |width: &&usize| {
        end += *width;
        let fits = end <= most;
        end += GAP;
        fits
    };
    widths.iter().take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(most: Option<usize>) -> String {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let rows = [
            owned(&["1", "alice", "/usr/bin/systemctl restart nginx", "INC-1"]),
            owned(&["2", "日本", "/usr/bin/id", ""]),
        ];
        lay_out(&owned(&["ID", "WHO", "COMMAND", "WHY"]), &rows, most)
    }

    const WIDE: &str = "\
ID  WHO    COMMAND                           WHY
1   alice  /usr/bin/systemctl restart nginx  INC-1
2   日本   /usr/bin/id
";

    #[test]
    fn what_fits_is_one_line_and_so_is_all_where_there_is_no_terminal() {
        let width = WIDE.lines().map(UnicodeWidthStr::width).max().unwrap();
        assert_eq!(laid_out(None), WIDE);
        assert_eq!(laid_out(Some(width)), WIDE);
        assert_ne!(laid_out(Some(width - 1)), WIDE);
    }

    #[test]
    fn what_does_not_fit_stands_below_its_row_whole() {
        let narrow = "\
ID  WHO
1   alice
    command: /usr/bin/systemctl restart nginx
    why: INC-1
2   日本
    command: /usr/bin/id
";
        assert_eq!(laid_out(Some(30)), narrow);
        let narrowest = laid_out(Some(1));
        assert!(narrowest.starts_with("ID\n1\n    who: alice\n    command: /usr"), "{narrowest}");
    }
}
