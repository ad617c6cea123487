//! The page of `layers --html`: one file that needs no other, with a map of an image by layer and directory.
//!
//! Tables are plain HTML; the map is drawn by `page.js` from JSON in the page. Names of files come from whoever made the
//! image: everything is escaped for where it stands, and a policy in the page lets no other script run and nothing be
//! fetched.

use serde_json::{Value, json};

use crate::engine::{LayerReport, LayerUse, Wasted};
use crate::oci::Digest;
use crate::tree::Usage;

use super::super::human;
use super::{how, instruction, numbers, percent};

const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const JS: &str = include_str!("page.js");

/// What is smaller than this part of the whole is not worth a place of its own in the map.
const LEAST_PART: u64 = 5_000;

/// How deep the map goes; what is below is one with what it lies in.
const DEPTH: usize = 24;

/// How many of the paths that waste the most are listed.
const TOP: usize = 25;

/// The page.
pub(super) fn render(report: &LayerReport) -> String {
    let name = report.names.first().cloned().unwrap_or_else(|| report.id.digest().short());
    let (size, hidden) = (report.size(), report.hidden());
    let layers: String =
        report.layers.iter().enumerate().map(|(i, layer)| layer_row(i, layer, size)).collect();
    let wasted: String = report.wasted.iter().take(TOP).map(wasted_row).collect();
    let parts = [
        ("{{policy}}", policy()),
        ("{{name}}", escape(&name)),
        ("{{id}}", report.id.to_string()),
        ("{{names}}", escape(&report.names.join(", "))),
        ("{{size}}", human::size(size)),
        ("{{count}}", report.layers.len().to_string()),
        ("{{wasted}}", format!("{} ({})", human::size(hidden), percent(hidden, size))),
        ("{{layers}}", layers),
        ("{{wasted-rows}}", wasted),
        ("{{wasted-hidden}}", if hidden == 0 { "hidden" } else { "" }.to_owned()),
        ("{{css}}", CSS.to_owned()),
        ("{{data}}", script_json(&data(report, &name))),
        ("{{js}}", JS.to_owned()),
    ];
    fill(HTML, &parts)
}

/// The template with its places filled. What is put there is not looked at again.
fn fill(template: &str, parts: &[(&str, String)]) -> String {
    let mut page = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("{{") {
        let (before, place) = rest.split_at(at);
        page.push_str(before);
        let (text, length) = match parts.iter().find(|(name, _)| place.starts_with(name)) {
            Some((name, text)) => (text.as_str(), name.len()),
            None => ("{{", 2),
        };
        page.push_str(text);
        rest = &place[length..];
    }
    page + rest
}

/// Nothing but the styles and the one script of this page.
fn policy() -> String {
    let hash = base64(Digest::of(JS.as_bytes()).as_bytes());
    format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'")
}

fn layer_row(i: usize, layer: &LayerUse, size: u64) -> String {
    let part = |bytes: u64| if size == 0 { 0.0 } else { bytes as f64 * 100.0 / size as f64 };
    let usage = &layer.usage;
    let wasted = if usage.hidden == 0 { "–".to_owned() } else { human::size(usage.hidden) };
    format!(
        "<tr data-layer=\"{i}\"><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td><span class=\"bar\" style=\"--i:{i}\"><i style=\"width:{:.2}%\"></i><b style=\"width:{:.2}%\"></b></span></td>\
         <td class=\"n\">{wasted}</td><td class=\"n\">{}</td><td><code>{}</code><small>{}</small></td></tr>\n",
        i + 1,
        human::size(usage.size),
        part(usage.size - usage.hidden),
        part(usage.hidden),
        usage.files,
        escape(&human::harmless(&instruction(layer))),
        layer.diff_id.digest().short(),
    )
}

fn wasted_row(wasted: &Wasted) -> String {
    format!(
        "<tr><td class=\"n\">{}</td><td><code>/{}</code></td><td>{}</td><td>{}</td></tr>\n",
        human::size(wasted.size),
        escape(&human::path(wasted.path.as_bytes())),
        numbers(wasted),
        how(wasted),
    )
}

/// What the map is drawn of.
fn data(report: &LayerReport, name: &str) -> Value {
    let least = report.size() / LEAST_PART;
    let layer = |layer: &LayerUse| {
        json!({
            "by": human::harmless(&instruction(layer)),
            "tree": node(&layer.usage, least, DEPTH),
        })
    };
    json!({ "name": name, "layers": report.layers.iter().map(layer).collect::<Vec<_>>() })
}

/// `[name, size, wasted, files]`, and what is in it. What is too small is one entry without a name.
fn node(usage: &Usage, least: u64, depth: usize) -> Value {
    let own = json!([human::path(&usage.name), usage.size, usage.hidden, usage.files]);
    if usage.children.is_empty() || depth == 0 {
        return own;
    }
    let worth = |child: &&Usage| child.size >= least.max(1);
    let mut children: Vec<Value> =
        usage.children.iter().filter(worth).map(|child| node(child, least, depth - 1)).collect();
    let rest = usage.children.iter().filter(|child| !worth(child));
    let (mut size, mut hidden, mut files) = (0, 0, 0);
    for child in rest {
        size += child.size;
        hidden += child.hidden;
        files += child.files;
    }
    if size > 0 {
        children.push(json!([null, size, hidden, files]));
    }
    json!([own[0], own[1], own[2], own[3], children])
}

/// JSON for an element `script`, which ends where `</script` stands, whatever is around that.
fn script_json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

/// A text for HTML, also between quotation marks.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standards() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn texts_are_escaped_for_where_they_stand() {
        assert_eq!(escape("<a b=\"c\" d='e'>&"), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
        assert_eq!(script_json(&json!(["</script><!--"])), "[\"\\u003c/script>\\u003c!--\"]");
    }

    #[test]
    fn what_is_filled_in_is_not_looked_at_again() {
        let parts = [("{{a}}", "{{b}}".to_owned()), ("{{b}}", "x".to_owned())];
        assert_eq!(fill("{{a}} {{b}} {{c}}", &parts), "{{b}} x {{c}}");
    }

    #[test]
    fn small_things_share_a_place() {
        let leaf = |name: &str, size| Usage { name: name.into(), size, files: 1, ..Usage::default() };
        let children = vec![leaf("a", 10), leaf("b", 2), leaf("c", 1)];
        let usage = Usage { size: 13, files: 3, children, ..Usage::default() };
        assert_eq!(node(&usage, 5, 9), json!(["", 13, 0, 3, [["a", 10, 0, 1], [null, 3, 0, 2]]]));
    }
}
