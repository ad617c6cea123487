//! Names of an archive in messages: whoever wrote the archive chose them, and how long they are.

/// Characters of a name that are shown of its beginning and of its end.
const BEGINNING: usize = 150;
const END: usize = 50;

/// A name for people; of a long one the middle is left out, so that what is said of it can be found behind it.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let count = text.chars().count();
    if count <= BEGINNING + END {
        return text.into_owned();
    }
    let beginning = text.chars().take(BEGINNING);
    beginning.chain(['…']).chain(text.chars().skip(count - END)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_lose_their_middle() {
        let name = |length: usize| (0..length).map(|i| char::from(b'a' + (i % 26) as u8)).collect::<String>();
        assert_eq!(shown(name(200).as_bytes()), name(200));
        let long = name(5000);
        assert_eq!(shown(long.as_bytes()), format!("{}…{}", &long[..150], &long[4950..]));
        assert_eq!(shown("ö".repeat(201).as_bytes()), "ö".repeat(150) + "…" + &"ö".repeat(50));
        assert_eq!(shown(b"\xff"), "\u{fffd}");
    }
}
