//! The time that a build says it was made at: `SOURCE_DATE_EPOCH` (reproducible-builds.org).
//!
//! Owns where it comes from. The environment's value reaches the build as a build argument.

use std::sync::Arc;

use crate::context::Scan;
use crate::dockerfile::ast::Dockerfile;
use crate::plan;

use super::build::BuildRequest;
use super::context::{BuildInput, Directory};
use super::error::{BuildError, EngineError};

/// The build argument.
const NAME: &str = "SOURCE_DATE_EPOCH";

/// The last second of the year 9999, the last one that a config can name.
const LAST: i64 = 253_402_300_799;

/// The seconds since 1970 that a text says, if they can stand in a config.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|seconds| digits && *seconds <= LAST)
}

/// The epoch of a build, in seconds since 1970: the build argument, what the Dockerfile says before its first FROM, or
/// for a reproducible build the time of its context. That one becomes a build argument in `options`, so that commands
/// can see it, too. An empty value is as good as none.
pub(super) fn of_build(
    request: &BuildRequest,
    dockerfile: &Dockerfile,
    input: &BuildInput,
    options: &mut plan::Options,
) -> Result<Option<i64>, EngineError> {
    let given = options.build_args.get(NAME).cloned();
    let given = given.or_else(|| plan::global_argument(dockerfile, options, NAME));
    match given.filter(|text| !text.is_empty()) {
        Some(text) => match seconds(&text) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(Box::new(BuildError::Epoch { text }).into()),
        },
        None if request.reproducible => {
            let time = of_context(request, input)?;
            options.build_args.insert(NAME.to_owned(), time.to_string());
            Ok(Some(time))
        }
        None => Ok(None),
    }
}

/// The time of a context: of its commit, or else of its youngest file.
fn of_context(request: &BuildRequest, input: &BuildInput) -> Result<i64, EngineError> {
    let Directory { root, is_lasting, ignore, .. } = &input.files;
    let mut time = input.commit_time;
    if time.is_none() && *is_lasting {
        let found = request.clients.git.commit_time(root);
        time = found.map_err(|error| Box::new(BuildError::Git(error)))?;
    }
    if time.is_none() {
        let scan = Scan::new(root, Arc::clone(ignore), None)
            .map_err(|error| Box::new(BuildError::Context(error)))?;
        time = scan.newest_file().map(|time| time.seconds);
    }
    // Times before 1970 and after the year 9999 have no form in a config.
    Ok(time.ok_or_else(|| Box::new(BuildError::NoEpoch))?.clamp(0, LAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_digits() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1700000000", Some(1_700_000_000)),
            ("253402300799", Some(LAST)),
            ("253402300800", None),
            ("99999999999999999999", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("abc", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
