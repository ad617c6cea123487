//! A rule's page in `docs/rules`, taken apart.
//!
//! Blocks before `## Bad` hold for all examples, others for those below them in the same part:
//!
//! ```text
//! dockerfile     an example
//! dockerignore   the ignore file
//! files          files of the context, `PATH SIZE` a line
//! images         images that are known, `NAME PLATFORM` a line
//! console        the command, whose `--build-arg`s are given
//! ```

use std::collections::BTreeMap;
use std::fs;

use strata::lint::Rule;

/// An example with what is around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    pub(super) text: String,
    pub(super) ignore: String,
    pub(super) files: Vec<(String, u64)>,
    pub(super) images: Vec<(String, String)>,
    pub(super) build_args: BTreeMap<String, String>,
}

/// The page of a rule.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The line that says whose rule it is.
    pub(super) kind: String,
    pub(super) bad: Vec<Block>,
    pub(super) good: Vec<Block>,
}

impl Page {
    pub(super) fn read(rule: &Rule) -> Self {
        let path = super::root().join("docs/rules").join(format!("{}.md", rule.name));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(format!("# {}", rule.name).as_str()), "{}", path.display());
        let mut page = Self { kind: lines.nth(1).unwrap_or_default().to_owned(), ..Self::default() };
        let mut common = Block::default();
        let mut here = Block::default();
        let mut part = String::new();
        while let Some(line) = lines.next() {
            if let Some(title) = line.strip_prefix("## ") {
                if part.is_empty() {
                    common = std::mem::take(&mut here);
                }
                title.clone_into(&mut part);
                here = common.clone();
            }
            let Some(kind) = line.strip_prefix("```") else { continue };
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match kind {
                "dockerfile" => {
                    let example = Block { text: body.join("\n") + "\n", ..here.clone() };
                    match part.as_str() {
                        "Bad" => page.bad.push(example),
                        "Good" => page.good.push(example),
                        _ => panic!("{}: an example under `{part}`", path.display()),
                    }
                }
                _ => here.add(kind, &body),
            }
        }
        page
    }
}

impl Block {
    fn add(&mut self, kind: &str, lines: &[&str]) {
        let pairs = || lines.iter().filter_map(|line| line.split_once(' '));
        match kind {
            "dockerignore" => self.ignore = lines.join("\n"),
            "files" => {
                self.files.extend(pairs().map(|(path, size)| (path.to_owned(), size.parse().unwrap())));
            }
            "images" => {
                self.images.extend(pairs().map(|(name, platform)| (name.to_owned(), platform.to_owned())))
            }
            "console" => {
                let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
                for pair in words.windows(2).filter(|pair| pair[0] == "--build-arg") {
                    let (name, value) = pair[1].split_once('=').unwrap();
                    self.build_args.insert(name.to_owned(), value.to_owned());
                }
            }
            _ => panic!("unknown block `{kind}`"),
        }
    }
}
