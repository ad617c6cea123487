//! From the text of an ignore file to patterns in normal form.

/// A line that is neither empty nor a comment.
pub(super) struct Normal<'a> {
    /// From 1.
    pub(super) number: usize,
    /// Without white space around it.
    pub(super) text: &'a [u8],
    /// It began with `!`.
    pub(super) shows: bool,
    /// Cleaned like a path; empty if there was nothing but a `!`.
    pub(super) pattern: Vec<u8>,
}

/// The lines of a file. A mark of the byte order is dropped, and a `#` in the first column, before any white space is,
/// makes a comment.
pub(super) fn of_text(text: &[u8]) -> impl Iterator<Item = Normal<'_>> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    text.split(|&b| b == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.starts_with(b"#"))
        .filter_map(|(i, line)| normalise(i + 1, line))
}

/// The normal form of one line; `None` if it is blank.
pub(super) fn normalise(number: usize, line: &[u8]) -> Option<Normal<'_>> {
    let text = trim(line);
    let (shows, pattern) = match text.strip_prefix(b"!") {
        Some(pattern) => (true, trim(pattern)),
        None => (false, text),
    };
    if text.is_empty() {
        return None;
    }
    let mut pattern = clean(pattern);
    // Like the original, which cleans the line with its `!` once more and then finds the `!` alone.
    if shows && pattern == b"/" {
        pattern.clear();
    }
    Some(Normal { number, text, shows, pattern })
}

/// What Go's `filepath.Clean` makes of a pattern, without the leading `/`: empty and `.` components vanish, `..` takes
/// the component before it along. What leads above the root stays, and so never fits. Empty for an empty pattern.
fn clean(pattern: &[u8]) -> Vec<u8> {
    if pattern.is_empty() {
        return Vec::new();
    }
    let rooted = pattern.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in pattern.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| last != b"..") => {
                parts.pop();
            }
            b".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (parts.is_empty(), rooted) {
        (true, true) => b"/".to_vec(),
        (true, false) => b".".to_vec(),
        _ => parts.join(&b'/'),
    }
}

/// Without white space around it, which is Unicode's if the text is UTF-8.
fn trim(text: &[u8]) -> &[u8] {
    std::str::from_utf8(text).map_or_else(|_| text.trim_ascii(), |text| text.trim().as_bytes())
}
