//! The word that somebody probably meant.

/// The candidate with the smallest edit distance to `word`, if it is near enough to be worth suggesting.
///
/// A distance is one inserted, deleted, replaced or transposed character; case does not count. Near enough is a
/// third of the word's length. In a word of two characters one may be missing or both be transposed; from one nothing
/// can be guessed. The first of equally near candidates wins, and a candidate that equals the word is none.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = word;
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    let limit = (word.len() / 3).max(usize::from(word.len() == 2));
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        let loses = other.len() <= word.len() && sorted(&other) != sorted(&word);
        if other.len().abs_diff(word.len()) > limit || (word.len() < 3 && loses) {
            continue;
        }
        let distance = distance(&word, &other);
        if candidate != text && distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn sorted(word: &[char]) -> Vec<char> {
    let mut word = word.to_vec();
    word.sort_unstable();
    word
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
    fn little_is_guessed_from_little() {
        for (word, candidates, expected) in [
            ("x", &["d", "xy", "X"][..], Some("X")),
            ("..", &["d", "ab", "a."], None),
            ("ab", &["a", "b", "ac", "cb", "abcd"], None),
            ("ab", &["abc"], Some("abc")),
            ("ab", &["ba"], Some("ba")),
            ("abc", &["abd"], Some("abd")),
            ("README.md", &["readme.txt", "readme.md"], Some("readme.md")),
        ] {
            assert_eq!(nearest(word, candidates.iter().copied()), expected, "{word}");
        }
    }

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
