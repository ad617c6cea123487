//! Lines of a file around a place, as BuildKit prints them.

use std::fmt::Write as _;

/// The lines from `first` to `last`, marked, with a few around them.
pub(super) fn excerpt(name: &str, text: &str, first: u32, last: u32) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let last = (last as usize).min(lines.len());
    let first = (first as usize).clamp(1, last.max(1));
    let (mut from, mut to) = (first, last);
    // A single line gets more company than several.
    let wanted = if first == last { 4 } else { 2 };
    let mut given = 0;
    while given < wanted {
        if from > 1 {
            from -= 1;
            given += 1;
        }
        if to < lines.len() {
            to += 1;
            given += 1;
        }
        given += 1;
    }
    let mut drawn = format!("{name}:{first}\n--------------------\n");
    for number in from..=to {
        let mark = if (first..=last).contains(&number) { ">>>" } else { "   " };
        let _ = writeln!(drawn, " {number:3} | {mark} {}", lines[number - 1].trim_end_matches('\r'));
    }
    drawn.push_str("--------------------\n");
    drawn
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn a_line_stands_among_its_neighbours() {
        let text = "one\ntwo\nthree\nfour\nfive\n";
        let rule = "--------------------\n";
        assert_eq!(
            excerpt("f", text, 3, 3),
            format!(
                "f:3\n{rule}   1 |     one\n   2 |     two\n   3 | >>> three\n   4 |     four\n   5 |     five\n{rule}"
            )
        );
        assert_eq!(
            excerpt("f", text, 1, 2),
            format!("f:1\n{rule}   1 | >>> one\n   2 | >>> two\n   3 |     three\n{rule}")
        );
        assert_eq!(excerpt("f", "", 1, 1), format!("f:1\n{rule}   1 | >>> \n{rule}"));
    }
}
