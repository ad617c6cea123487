//! `--format` of commands that print a list: a table, a table of one's own, a template a line, or JSON.
//!
//! A list is rows of fields, and a header for each field. The words are Docker's: `table`, `table TEMPLATE`, `json`,
//! `raw` where Docker has it, or a template.

use serde_json::{Map, Value};

use super::error::{CliError, ErrorKind};
use super::table;
use super::template::{Field, Shape, Template, TemplateError, unescape_list_format};

/// The fields of a list, and what stands above a column of each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// The type of a row, for templates.
    pub(super) shape: &'static [Field],
    /// The headers, in the order of the fields.
    pub(super) headers: &'static [&'static str],
}

/// How a list is printed.
#[derive(Debug, Clone)]
pub(super) enum ListFormat {
    /// Columns under headers; the template has a tab between two cells.
    Table(Template),
    /// A line for each row.
    Lines(Template),
    /// An object for each row.
    Json,
}

impl ListFormat {
    /// What the user asked for with `--format`; without it the table `default`.
    pub(super) fn parse(text: Option<&str>, default: &str) -> Result<Self, CliError> {
        let text = text.unwrap_or_default().trim();
        let template =
            |text: &str| Template::parse(&unescape_list_format(text)).map_err(|e| bad_template(&e));
        match text {
            "" | "table" => template(default).map(Self::Table),
            "json" => Ok(Self::Json),
            text => match text.strip_prefix("table") {
                Some(rest) if rest.starts_with([' ', '\t', '{']) => template(rest).map(Self::Table),
                _ => template(text).map(Self::Lines),
            },
        }
    }

    /// The text of a list.
    pub(super) fn render(&self, fields: Fields, rows: &[Value]) -> Result<String, CliError> {
        let shape = Shape::Struct(fields.shape);
        match self {
            Self::Json => Ok(rows.iter().map(|row| format!("{row}\n")).collect()),
            Self::Lines(template) => {
                let line = |row| Ok(template.render(row, shape)? + "\n");
                rows.iter().map(line).collect::<Result<String, _>>().map_err(|error| bad_template(&error))
            }
            Self::Table(template) => {
                let headers = fields.shape.iter().zip(fields.headers);
                let headers: Map<String, Value> =
                    headers.map(|(field, header)| (field.key.to_owned(), (*header).into())).collect();
                let header = template.render_headers(&Value::Object(headers), shape);
                let mut lines = vec![header.map_err(|error| bad_template(&error))?];
                for row in rows {
                    lines.push(template.render(&one_line(row), shape).map_err(|error| bad_template(&error))?);
                }
                let cells = lines.iter().flat_map(|text| text.lines()).map(|line| line.split('\t').collect());
                Ok(table::columns(&cells.collect::<Vec<Vec<&str>>>()))
            }
        }
    }
}

/// A row with texts that do not break the lines and columns of a table.
fn one_line(row: &Value) -> Value {
    match row {
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), one_line(value))).collect())
        }
        Value::String(text) => table::one_line(text).into(),
        other => other.clone(),
    }
}

fn bad_template(error: &TemplateError) -> CliError {
    CliError::from_error(ErrorKind::General, error).context("cannot use the template of `--format`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: Fields = Fields {
        shape: &[Field::new("ID", Shape::Text), Field::new("Name", Shape::Text)],
        headers: &["IMAGE ID", "NAME"],
    };

    fn rendered(format: Option<&str>) -> Result<String, CliError> {
        let rows = [json!({"ID": "0123", "Name": "a"}), json!({"ID": "45", "Name": "b\tc\nd"})];
        ListFormat::parse(format, "{{.ID}}\t{{.Name}}")?.render(FIELDS, &rows)
    }

    #[test]
    fn formats_are_dockers() {
        for (format, text) in [
            (None, "IMAGE ID   NAME\n0123       a\n45         b c d\n"),
            (Some("table"), "IMAGE ID   NAME\n0123       a\n45         b c d\n"),
            (Some("table {{upper .Name}}\\t{{.ID}}"), "NAME      IMAGE ID\nA         0123\nB C D     45\n"),
            (Some("table {{slice .ID 0 2}}"), "IM\n01\n45\n"),
            (Some("{{.Name}}={{.ID}}"), "a=0123\nb\tc\nd=45\n"),
            (
                Some("{{json .}}"),
                "{\"ID\":\"0123\",\"Name\":\"a\"}\n{\"ID\":\"45\",\"Name\":\"b\\tc\\nd\"}\n",
            ),
            (Some("json"), "{\"ID\":\"0123\",\"Name\":\"a\"}\n{\"ID\":\"45\",\"Name\":\"b\\tc\\nd\"}\n"),
            (Some("tables"), "tables\ntables\n"),
        ] {
            assert_eq!(rendered(format).as_deref(), Ok(text), "{format:?}");
        }
    }

    #[test]
    fn an_unknown_field_is_an_error_also_without_rows() {
        let format = ListFormat::parse(Some("table {{.Nmae}}"), "").unwrap();
        let error = format.render(FIELDS, &[]).unwrap_err().render(false);
        assert!(error.contains("there is no field `.Nmae`; there are `ID`, `Name`"), "{error}");
    }
}
