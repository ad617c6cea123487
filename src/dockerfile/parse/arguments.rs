//! Shapes of arguments that several instructions share.

use crate::dockerfile::ast::{ArgItem, Pair, Pairs};
use crate::dockerfile::error::{ParseError, ParseErrorKind};
use crate::dockerfile::lines::{Fragment, is_blank};
use crate::dockerfile::word::Word;

/// The JSON form: a JSON array of strings. `None` for anything that is not a JSON array, which then is the other
/// form; an array of something else is an error.
pub(super) fn json(
    instruction: &'static str,
    arguments: Fragment<'_>,
) -> Result<Option<Vec<String>>, ParseError> {
    if !arguments.text().starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(arguments.text()) else {
        return Ok(None);
    };
    let text = |value| match value {
        serde_json::Value::String(text) => Ok(text),
        _ => Err(arguments.error(ParseErrorKind::NotStrings { instruction })),
    };
    values.into_iter().map(text).collect::<Result<_, _>>().map(Some)
}

/// The words of ARG, ENV and LABEL: white space separates them unless it is quoted or escaped.
fn quoted_words(arguments: Fragment<'_>, escape: char) -> Vec<Fragment<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut chars = arguments.text().char_indices();
    while let Some((at, c)) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            words.extend(start.take().map(|start| arguments.sub(start, at)));
            continue;
        }
        start.get_or_insert(at);
        match quote {
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if c == open => quote = None,
            // Nothing is escaped between single quotes.
            Some('\'') => {}
            _ if c == escape => {
                chars.next();
            }
            _ => {}
        }
    }
    words.extend(start.map(|start| arguments.from(start)));
    words
}

pub(super) fn arg_items(arguments: Fragment<'_>, escape: char) -> Result<Vec<ArgItem>, ParseError> {
    let item = |word: Fragment<'_>| {
        let (name, default) = match word.text().find('=') {
            Some(at) => (word.sub(0, at), Some(word.from(at + 1).word())),
            None => (word, None),
        };
        if name.is_empty() {
            return Err(word.error(ParseErrorKind::BlankName { instruction: "ARG" }));
        }
        Ok(ArgItem { name: name.word(), default })
    };
    quoted_words(arguments, escape).into_iter().map(item).collect()
}

/// ENV and LABEL: `key=value…`, or the old `key value` if the first word has no `=`.
pub(super) fn pairs(
    instruction: &'static str,
    arguments: Fragment<'_>,
    escape: char,
) -> Result<Pairs, ParseError> {
    let words = quoted_words(arguments, escape);
    if words.first().is_some_and(|word| !word.text().contains('=')) {
        return legacy_pair(instruction, arguments);
    }
    let pair = |word: Fragment<'_>| {
        let Some(at) = word.text().find('=') else {
            return Err(word.error(ParseErrorKind::NotAPair { word: word.text().to_owned() }));
        };
        if at == 0 {
            return Err(word.error(ParseErrorKind::BlankName { instruction }));
        }
        Ok(Pair { key: word.sub(0, at).word(), value: word.from(at + 1).word() })
    };
    Ok(Pairs { pairs: words.into_iter().map(pair).collect::<Result<_, _>>()?, legacy: false })
}

fn legacy_pair(instruction: &'static str, arguments: Fragment<'_>) -> Result<Pairs, ParseError> {
    let (key, value) = arguments.split_word();
    if !arguments.text().contains(is_blank) {
        let kind = ParseErrorKind::NameWithoutValue { instruction, key: key.text().to_owned() };
        return Err(key.error(kind));
    }
    Ok(Pairs { pairs: vec![Pair { key: key.word(), value: value.word() }], legacy: true })
}

/// VOLUME: a JSON array or a list, none of the paths empty.
pub(super) fn volumes(arguments: Fragment<'_>, json: Option<Vec<String>>) -> Result<Vec<Word>, ParseError> {
    let span = arguments.span();
    let volumes: Vec<Word> = match json {
        Some(texts) => texts.into_iter().map(|text| Word { text, span }).collect(),
        None => arguments.words().map(Fragment::word).collect(),
    };
    if volumes.is_empty() {
        return Err(arguments.error(ParseErrorKind::AtLeastOneArgument { instruction: "VOLUME" }));
    }
    match volumes.iter().find(|volume| volume.text.trim().is_empty()) {
        Some(empty) => Err(ParseError::new(ParseErrorKind::EmptyVolume, empty.span)),
        None => Ok(volumes),
    }
}
