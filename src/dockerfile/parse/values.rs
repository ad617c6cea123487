//! Values of flags that are more than a word.

use crate::diagnostic::Spanned;
use crate::dockerfile::ast::Device;
use crate::dockerfile::duration;
use crate::dockerfile::error::{ParseError, ParseErrorKind};
use crate::dockerfile::flags::{self, Flags};

/// The value of a flag that is a duration: nanoseconds, none or at least a millisecond.
pub(super) fn interval(flags: &Flags, name: &'static str) -> Result<Option<u64>, ParseError> {
    const SHORTEST: i64 = 1_000_000;
    let Some(word) = flags.word(name) else { return Ok(None) };
    match duration::parse(&word.text) {
        Some(0) => Ok(Some(0)),
        Some(nanoseconds) if nanoseconds >= SHORTEST => Ok(Some(nanoseconds.unsigned_abs())),
        Some(_) => Err(ParseError::new(ParseErrorKind::DurationTooShort { flag: name }, word.span)),
        None => Err(flags::invalid(name, &word, "a duration, such as `30s` or `1m30s`")),
    }
}

pub(super) fn retries(flags: &Flags) -> Result<Option<u32>, ParseError> {
    let Some(word) = flags.word("retries") else { return Ok(None) };
    match word.text.parse::<i32>().map(u32::try_from) {
        Ok(Ok(retries)) => Ok(Some(retries)),
        _ => Err(flags::invalid("retries", &word, "a number that is not negative")),
    }
}

pub(super) fn devices(flags: &Flags) -> Result<Vec<Spanned<Device>>, ParseError> {
    let mut devices = Vec::new();
    for word in flags.list("device") {
        let invalid = || flags::invalid("device", word, "`name` or `name,required`");
        let mut device = Device { name: String::new(), required: false };
        for field in word.text.split(',') {
            match field.split_once('=').unwrap_or((field, "")) {
                ("required", "" | "true") => device.required = true,
                ("required", "false") => device.required = false,
                // A device's own name may hold a `=`: `vendor.com/class=name`.
                ("name", name) if !name.is_empty() => name.clone_into(&mut device.name),
                _ if device.name.is_empty() => field.clone_into(&mut device.name),
                _ => return Err(invalid()),
            }
        }
        if device.name.is_empty() {
            return Err(invalid());
        }
        devices.push(Spanned::new(device, word.span));
    }
    Ok(devices)
}
