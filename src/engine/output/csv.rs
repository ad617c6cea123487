//! One line of comma-separated values (RFC 4180), as Docker's command line reads it.
//!
//! A field that begins with a quote ends with one; a quote in it is written twice. A quote anywhere else is an error.

/// A line is not one of comma-separated values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::engine) enum CsvError {
    #[error(
        "a quote in the middle of `{0}`; a field with commas has quotes around all of it: `\"name=a,b\"`"
    )]
    Bare(String),
    #[error("the quote before `{0}` is not closed")]
    Open(String),
    #[error("`{0}` follows a closing quote, where a comma should be")]
    After(String),
}

/// The fields of a line, at least one.
pub(in crate::engine) fn fields(line: &str) -> Result<Vec<String>, CsvError> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => self::quoted(quoted)?,
            None => bare(rest)?,
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// A field without quotes, and what follows its comma.
fn bare(text: &str) -> Result<(String, Option<&str>), CsvError> {
    let (field, after) = text.split_once(',').map_or((text, None), |(field, after)| (field, Some(after)));
    if field.contains('"') {
        return Err(CsvError::Bare(field.to_owned()));
    }
    Ok((field.to_owned(), after))
}

/// A field whose first quote has been read, and what follows its comma.
fn quoted(text: &str) -> Result<(String, Option<&str>), CsvError> {
    let mut field = String::new();
    let mut rest = text;
    while let Some((part, after)) = rest.split_once('"') {
        field.push_str(part);
        if let Some(more) = after.strip_prefix('"') {
            field.push('"');
            rest = more;
            continue;
        }
        return match after.strip_prefix(',') {
            Some(after) => Ok((field, Some(after))),
            None if after.is_empty() => Ok((field, None)),
            None => Err(CsvError::After(after.to_owned())),
        };
    }
    Err(CsvError::Open(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_apart() {
        let cases: [(&str, &[&str]); 9] = [
            ("a", &["a"]),
            ("", &[""]),
            ("a,b", &["a", "b"]),
            ("a,,b,", &["a", "", "b", ""]),
            ("type=oci,\"name=a,b\",dest=x", &["type=oci", "name=a,b", "dest=x"]),
            ("\"a\"\"b\"", &["a\"b"]),
            ("\"\",x", &["", "x"]),
            ("\"a,\",", &["a,", ""]),
            (" a , b ", &[" a ", " b "]),
        ];
        for (line, expected) in cases {
            assert_eq!(fields(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn wrong_quotes_are_refused() {
        for (line, error) in [
            ("name=\"a,b\"", CsvError::Bare("name=\"a".to_owned())),
            ("a,\"b", CsvError::Open("b".to_owned())),
            ("\"a\"b,c", CsvError::After("b,c".to_owned())),
            ("\"", CsvError::Open(String::new())),
        ] {
            assert_eq!(fields(line), Err(error), "{line}");
        }
    }
}
