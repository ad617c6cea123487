//! Takes texts apart into units: characters, and bytes that are not part of one.
//!
//! UTF-8 tells from every byte whether a character begins there, so a text falls into the same units from both ends.

/// Units from here on stand for single bytes that are not UTF-8.
pub(super) const NOT_A_CHARACTER: u32 = 0x11_0000;

/// Takes one character, or one byte that is not part of a character, from the front of `text`.
pub(super) fn next_unit(text: &mut &[u8]) -> Option<u32> {
    let (&first, rest) = text.split_first()?;
    let length = match first {
        0..0x80 => {
            *text = rest;
            return Some(u32::from(first));
        }
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    };
    let character = text.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()?.chars().next());
    *text = if character.is_some() { &text[length..] } else { rest };
    Some(character.map_or(NOT_A_CHARACTER + u32::from(first), u32::from))
}

/// Takes one unit from the end of `text`.
pub(super) fn last_unit(text: &mut &[u8]) -> Option<u32> {
    let (&last, rest) = text.split_last()?;
    if last < 0x80 {
        *text = rest;
        return Some(u32::from(last));
    }
    for length in 2..=4 {
        let Some(start) = text.len().checked_sub(length) else { break };
        let mut end = &text[start..];
        match next_unit(&mut end) {
            Some(unit) if end.is_empty() => {
                *text = &text[..start];
                return Some(unit);
            }
            _ => {}
        }
    }
    *text = rest;
    Some(NOT_A_CHARACTER + u32::from(last))
}

/// Appends the bytes of a unit.
pub(super) fn push_unit(bytes: &mut Vec<u8>, unit: u32) {
    match char::from_u32(unit) {
        Some(character) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => bytes.push((unit - NOT_A_CHARACTER) as u8),
    }
}
