//! `search`.

use std::process::ExitCode;

use clap::builder::RangedU64ValueParser;
use serde_json::{Value, json};

use crate::registry::{Found, RegistryError, Watch};

use super::error::{CliError, ErrorKind};
use super::list::{Fields, ListFormat};
use super::login::{DOCKER_HUB, host};
use super::template::{Field, Shape};
use super::{App, human, print, remotes};

/// How much of a description a line shows.
const DESCRIPTION_WIDTH: usize = 45;

const FIELDS: Fields = Fields {
    shape: &[
        Field::new("Name", Shape::Text),
        Field::new("Description", Shape::Text),
        Field::new("StarCount", Shape::Text),
        Field::new("IsOfficial", Shape::Text),
        Field::new("IsAutomated", Shape::Text),
    ],
    headers: &["NAME", "DESCRIPTION", "STARS", "OFFICIAL", "AUTOMATED"],
};

const TABLE: &str = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}";

/// Search a registry for images
#[derive(Debug, clap::Args)]
pub(super) struct SearchArgs {
    /// Only some: `stars=N`, `is-official=BOOL`, `is-automated=BOOL`; may be repeated
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print `table`, `json`, or a Go template, such as `{{.Name}}` or `table {{.Name}}\t{{.StarCount}}`
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// At most so many, from 1 to 100
    #[arg(long, value_name = "N", default_value = "25", value_parser = RangedU64ValueParser::<usize>::new().range(1..=100))]
    limit: usize,
    /// Print descriptions in full
    #[arg(long)]
    no_trunc: bool,
    /// What to look for on Docker Hub, or `HOST/TEXT` for the names in another registry
    term: String,
}

/// What is wanted of what was found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Filter {
    stars: u64,
    is_official: Option<bool>,
    is_automated: Option<bool>,
}

pub(super) fn run(app: &App, args: &SearchArgs) -> Result<ExitCode, CliError> {
    let format = ListFormat::parse(args.format.as_deref(), TABLE)?;
    let filter = Filter::parse(&args.filter)?;
    // A mistake in the template is told before anybody is asked.
    format.render(FIELDS, &[row(&Found::default(), args, &format)])?;
    let found = find(app, args, &filter)?;
    let rows: Vec<Value> = found.iter().map(|found| row(found, args, &format)).collect();
    print(&format.render(FIELDS, &rows)?)?;
    Ok(ExitCode::SUCCESS)
}

fn find(app: &App, args: &SearchArgs, filter: &Filter) -> Result<Vec<Found>, CliError> {
    let registries = remotes::registries(app);
    let watch = Watch::nothing();
    let mut found = match registry_and_text(&args.term)? {
        (None, text) => registries.search_hub(text, args.limit, &watch).map_err(|error| failed(&error))?,
        (Some(host), text) => {
            let names = registries.repositories(&host, &|name| name.contains(text), args.limit, &watch);
            let found = |name| Found { name: format!("{host}/{name}"), ..Found::default() };
            names.map_err(|error| failed(&error))?.into_iter().map(found).collect()
        }
    };
    found.retain(|found| filter.holds(found));
    Ok(found)
}

/// Which registry to ask, if it is not Docker Hub, and what for. A host is told from a part of a name as in references.
fn registry_and_text(term: &str) -> Result<(Option<String>, &str), CliError> {
    if let Some((scheme, _)) = term.split_once("://") {
        return Err(CliError::new(ErrorKind::Usage, format!("`{scheme}://` is not part of a name"))
            .hint("write `HOST/TEXT`"));
    }
    match term.split_once('/') {
        Some((first, text)) if first == "localhost" || first.contains(['.', ':']) => {
            let host = host(Some(first))?;
            Ok((Some(host).filter(|host| host != DOCKER_HUB), text))
        }
        _ => Ok((None, term)),
    }
}

fn failed(error: &RegistryError) -> CliError {
    let text = CliError::from_error(ErrorKind::General, error).detailed(error);
    error.remedy().into_iter().fold(text, CliError::hint)
}

fn row(found: &Found, args: &SearchArgs, format: &ListFormat) -> Value {
    // Docker's words for people, and for programs.
    let (yes, no) = if matches!(format, ListFormat::Json) { ("true", "false") } else { ("[OK]", "") };
    let says = |is: bool| if is { yes } else { no };
    let description = found.description.replace(['\n', '\r'], " ");
    json!({
        "Name": found.name,
        "Description": if args.no_trunc { description } else { human::cut(&description, DESCRIPTION_WIDTH) },
        "StarCount": found.stars.to_string(),
        "IsOfficial": says(found.is_official),
        "IsAutomated": says(found.is_automated),
    })
}

impl Filter {
    fn parse(texts: &[String]) -> Result<Self, CliError> {
        let mut filter = Self::default();
        for text in texts {
            filter.add(text).map_err(|why| {
                CliError::new(ErrorKind::Usage, format!("`--filter {text}`: {why}"))
                    .hint("there are `stars=N`, `is-official=BOOL` and `is-automated=BOOL`")
            })?;
        }
        Ok(filter)
    }

    fn add(&mut self, text: &str) -> Result<(), &'static str> {
        let (name, value) = text.split_once('=').ok_or("it has no `=`")?;
        let boolean = || match value {
            "true" | "1" => Ok(Some(true)),
            "false" | "0" => Ok(Some(false)),
            _ => Err("the value is not `true` or `false`"),
        };
        match name {
            "stars" => {
                let stars = value.parse().map_err(|_| "the value is not a number")?;
                self.stars = self.stars.max(stars);
            }
            "is-official" => self.is_official = boolean()?,
            "is-automated" => self.is_automated = boolean()?,
            _ => return Err("there is no such filter"),
        }
        Ok(())
    }

    fn holds(&self, found: &Found) -> bool {
        found.stars >= self.stars
            && self.is_official.is_none_or(|is| is == found.is_official)
            && self.is_automated.is_none_or(|is| is == found.is_automated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_name_a_registry_as_references_do() {
        for (term, expected) in [
            ("node", Some((None, "node"))),
            ("team/node", Some((None, "team/node"))),
            ("node.js", Some((None, "node.js"))),
            ("docker.io/node", Some((None, "node"))),
            ("quay.io/team/x", Some((Some("quay.io"), "team/x"))),
            ("localhost:5000/", Some((Some("localhost:5000"), ""))),
            ("https://quay.io/x", None),
        ] {
            let found = registry_and_text(term).ok();
            let found = found.as_ref().map(|(host, text)| (host.as_deref(), *text));
            assert_eq!(found, expected, "{term}");
        }
    }

    #[test]
    fn filters_are_dockers() {
        let parse =
            |texts: &[&str]| Filter::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>());
        let expected = Filter { stars: 3, is_official: Some(true), is_automated: Some(false) };
        assert_eq!(parse(&["stars=3", "is-official=1", "stars=2", "is-automated=false"]), Ok(expected));
        for (text, why) in [
            ("stars", "it has no `=`"),
            ("stars=many", "the value is not a number"),
            ("is-official=maybe", "the value is not `true` or `false`"),
            ("size=3", "there is no such filter"),
        ] {
            let error = parse(&[text]).unwrap_err().render(false);
            assert!(error.starts_with(&format!("error: `--filter {text}`: {why}\n")), "{error}");
        }
    }
}
