//! Flags that are on or off, as Docker's command line takes them: `--rm`, `--rm=true`, `--rm=f`.
//!
//! They are declared as plain flags, and the help shows them so; here each of them is made to take a value, if there is
//! one behind `=`.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, Parser};

/// Reads a command line.
pub(super) fn parse<A: Parser>(words: &[OsString]) -> Result<A, clap::Error> {
    let read = |words: &[OsString]| {
        let mut command = with_values(A::command());
        let matches = command.try_get_matches_from_mut(words)?;
        A::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    };
    // Most command lines need no more than what is declared, which also reads better in help and in errors.
    A::try_parse_from(words).or_else(|plain| {
        read(words).map_err(|error| if plain.kind() == error.kind() { plain } else { error })
    })
}

/// Lets every flag that is on or off take a value, also those of the commands below.
fn with_values(command: Command) -> Command {
    command.mut_args(with_value).mut_subcommands(with_values)
}

fn with_value(flag: Arg) -> Arg {
    if !matches!(flag.get_action(), ArgAction::SetTrue) {
        return flag;
    }
    let id = flag.get_id().clone();
    flag.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .value_parser(boolean)
        .default_value("false")
        .default_missing_value("true")
        .overrides_with(id)
}

/// What Docker takes for a truth value.
fn boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write `true` or `false`"),
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    /// Odd.
    #[derive(Debug, PartialEq, Eq, Parser)]
    #[command(name = "odd")]
    struct Odd {
        #[arg(long, global = true)]
        all: bool,
        #[command(subcommand)]
        command: Below,
    }

    #[derive(Debug, PartialEq, Eq, clap::Subcommand)]
    enum Below {
        Go {
            #[arg(short, long)]
            interactive: bool,
            #[arg(short, long)]
            tty: bool,
            image: String,
            #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
            words: Vec<String>,
        },
    }

    fn read(line: &str) -> Result<Odd, clap::Error> {
        parse(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn values_of_flags() {
        for (line, all, interactive, tty, words) in [
            ("odd go image", false, false, false, &[][..]),
            ("odd --all go -it image", true, true, true, &[]),
            ("odd go --all=T -t image x --tty=false", true, false, true, &["x", "--tty=false"]),
            ("odd --all=0 go --interactive=true --tty=f image true", false, true, false, &["true"]),
            ("odd go -i=1 -t=false image", false, true, false, &[]),
            ("odd go --tty --tty=false --interactive=false -i image", false, true, false, &[]),
        ] {
            let words = words.iter().map(|&word| word.to_owned()).collect();
            let expected =
                Odd { all, command: Below::Go { interactive, tty, image: "image".to_owned(), words } };
            assert_eq!(read(line).unwrap_or_else(|error| panic!("{line}: {error}")), expected, "{line}");
        }
    }

    #[test]
    fn other_values_are_refused_and_the_help_has_none() {
        let error = read("odd go --tty=maybe image").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ValueValidation);
        assert!(error.to_string().contains("write `true` or `false`"), "{error}");
        let help = read("odd go --help").unwrap_err();
        assert_eq!(help.kind(), ErrorKind::DisplayHelp);
        let help = help.to_string();
        assert!(help.contains("-t, --tty") && !help.contains('='), "{help}");
    }
}
