//! The word that somebody probably meant.

/// The candidate with the smallest edit distance to `word`, if it is near enough to be worth suggesting.
///
/// A distance is one inserted, deleted, replaced or transposed character; case does not count. Near enough is a
/// third of the word's length, at least one edit. The first of equally near candidates wins, and a candidate that
/// equals the word is none.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    let limit = (word.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        if other.len().abs_diff(word.len()) > limit {
            continue;
        }
        let distance = distance(&word, &other);
        if distance > 0 && distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance, by three rows of the table.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut row = vec![0; b.len() + 1];
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        std::mem::swap(&mut before, &mut above);
        std::mem::swap(&mut above, &mut row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_near() {
        let cases = [
            ("FORM", Some("FROM")),
            ("form", Some("FROM")),
            ("COPPY", Some("COPY")),
            ("RN", Some("RUN")),
            ("ENTRYPONIT", Some("ENTRYPOINT")),
            ("RUN", None),
            ("apt-get", None),
            ("", None),
            ("&&", None),
        ];
        for (word, expected) in cases {
            let found = nearest(word, ["FROM", "RUN", "COPY", "ENTRYPOINT"]);
            assert_eq!(found, expected, "{word}");
        }
    }
}
