//! Instructions that change the image config, and WORKDIR, which also makes a directory.

use crate::diagnostic::Span;
use crate::dockerfile::ast::{Command, Healthcheck, Instruction, Pair, Pairs};
use crate::dockerfile::port::{Port, parse_ports};
use crate::dockerfile::signal;
use crate::dockerfile::word::Word;
use crate::oci::config::{self, Empty};
use crate::tree::TreePath;

use super::super::error::{PlanError, PlanErrorKind};
use super::super::notation::{healthcheck, list, quoted_list};
use super::super::{StepKind, Workdir};
use super::Stage;

impl Stage<'_, '_> {
    pub(super) fn env(&mut self, env: &Pairs) -> Result<(), PlanError> {
        let pairs = self.pairs(env, "ENV")?;
        let mut created_by = String::from("ENV");
        for (name, value) in pairs {
            let variable = format!("{name}={value}");
            created_by.extend([" ", &variable]);
            let same = |old: &&mut String| old.split('=').next() == Some(&name);
            match self.state.config.env.iter_mut().find(same) {
                Some(old) => *old = variable,
                None => self.state.config.env.push(variable),
            }
            self.state.scope.set(name, value);
        }
        self.history(created_by);
        Ok(())
    }

    pub(super) fn label(&mut self, labels: &Pairs) -> Result<(), PlanError> {
        let mut created_by = String::from("LABEL");
        for (name, value) in self.pairs(labels, "LABEL")? {
            created_by.extend([" ", &name, "=", &value]);
            self.state.config.labels.insert(name, value);
        }
        self.history(created_by);
        Ok(())
    }

    /// Expands all pairs with the variables from before the instruction.
    fn pairs(
        &mut self,
        pairs: &Pairs,
        instruction: &'static str,
    ) -> Result<Vec<(String, String)>, PlanError> {
        let expand = |pair: &Pair| {
            let name = self.expand(&pair.key)?;
            if name.is_empty() {
                return Err(PlanErrorKind::BlankName { instruction }.at(pair.key.span));
            }
            Ok((name, self.expand(&pair.value)?))
        };
        pairs.pairs.iter().map(expand).collect()
    }

    pub(super) fn expose(&mut self, words: &[Word]) -> Result<(), PlanError> {
        let mut written = Vec::new();
        for word in words {
            let scope = &self.state.scope;
            let expanded = scope.with_lookup(|lookup| word.expand_words(lookup, scope.escape()))?;
            for text in expanded.words {
                let ports = parse_ports(&text).map_err(|error| PlanErrorKind::Port(error).at(word.span))?;
                written.extend(ports.ports.iter().map(Port::to_string));
            }
        }
        written.sort_unstable();
        self.history(format!("EXPOSE {}", list(&written)));
        let ports = self.state.config.exposed_ports.get_or_insert_default();
        ports.extend(written.into_iter().map(|port| (port, Empty {})));
        Ok(())
    }

    pub(super) fn volume(&mut self, words: &[Word]) -> Result<(), PlanError> {
        let mut paths = Vec::with_capacity(words.len());
        for word in words {
            let path = self.expand(word)?;
            if path.is_empty() {
                return Err(PlanErrorKind::EmptyVolume.at(word.span));
            }
            paths.push(path);
        }
        self.history(format!("VOLUME {}", list(&paths)));
        let volumes = self.state.config.volumes.get_or_insert_default();
        volumes.extend(paths.into_iter().map(|path| (path, Empty {})));
        Ok(())
    }

    pub(super) fn user(&mut self, word: &Word) -> Result<(), PlanError> {
        let user = self.expand(word)?;
        check_user(&user, word.span)?;
        self.history(format!("USER {user}"));
        self.state.config.user = user;
        Ok(())
    }

    pub(super) fn workdir(&mut self, instruction: &Instruction, word: &Word) -> Result<(), PlanError> {
        let path = self.expand(word)?;
        let path = absolute(&self.state.config.working_dir, &path);
        let created_by = format!("WORKDIR {path}");
        if path == "/" {
            self.history(created_by);
        } else {
            let user = self.state.config.user.clone();
            let kind = StepKind::Workdir(Workdir { path: TreePath::clean(path.as_bytes()), user });
            let shown = self.shown(instruction);
            self.step(kind, &shown, created_by, instruction.span, Vec::new());
        }
        self.state.config.working_dir = path;
        Ok(())
    }

    pub(super) fn cmd(&mut self, command: &Command) {
        let args = self.command(command);
        self.history(format!("CMD {}", quoted_list(&args)));
        self.state.config.cmd = not_empty(args);
        self.state.config.args_escaped = true;
        self.state.has_cmd = true;
    }

    pub(super) fn entrypoint(&mut self, command: &Command) {
        let args = self.command(command);
        self.history(format!("ENTRYPOINT {}", quoted_list(&args)));
        self.state.config.entrypoint = not_empty(args);
        if !self.state.has_cmd {
            self.state.config.cmd = None;
        }
    }

    fn command(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(args) => args.clone(),
            Command::Shell(text) => self.in_shell(text),
        }
    }

    pub(super) fn shell(&mut self, shell: &[String]) {
        self.history(format!("SHELL {}", list(shell)));
        self.state.config.shell = Some(shell.to_vec());
    }

    pub(super) fn stop_signal(&mut self, word: &Word) -> Result<(), PlanError> {
        let text = self.expand(word)?;
        if !signal::is_valid(&text) {
            return Err(PlanErrorKind::Signal { text }.at(word.span));
        }
        self.history(format!("STOPSIGNAL {text}"));
        self.state.config.stop_signal = Some(text);
        Ok(())
    }

    pub(super) fn healthcheck(&mut self, check: &Healthcheck) {
        let check = match check {
            Healthcheck::None => {
                config::Healthcheck { test: vec!["NONE".to_owned()], ..config::Healthcheck::default() }
            }
            Healthcheck::Test { command, interval, timeout, start_period, start_interval, retries } => {
                let test = match command {
                    Command::Exec(args) => [vec!["CMD".to_owned()], args.clone()].concat(),
                    Command::Shell(text) => vec!["CMD-SHELL".to_owned(), text.clone()],
                };
                let time = |nanoseconds: &Option<u64>| nanoseconds.unwrap_or(0) as i64;
                config::Healthcheck {
                    test,
                    interval: time(interval),
                    timeout: time(timeout),
                    start_period: time(start_period),
                    start_interval: time(start_interval),
                    retries: i64::from(retries.unwrap_or(0)),
                }
            }
        };
        self.history(format!("HEALTHCHECK {}", healthcheck(&check)));
        self.state.config.healthcheck = Some(check);
    }

    pub(super) fn maintainer(&mut self, author: &str) {
        self.history(format!("MAINTAINER {author}"));
        self.state.author = Some(author.to_owned());
    }
}

/// Go leaves empty lists out of the config's JSON.
fn not_empty(args: Vec<String>) -> Option<Vec<String>> {
    (!args.is_empty()).then_some(args)
}

/// `path` as seen from `directory`, in normal form with a leading `/`. Nothing is the directory itself.
pub(super) fn absolute(directory: &str, path: &str) -> String {
    let directory = if path.starts_with('/') { "" } else { directory };
    let mut whole = String::with_capacity(directory.len() + path.len() + 2);
    for component in directory.split('/').chain(path.split('/')) {
        match component {
            "" | "." => {}
            ".." => whole.truncate(whole.rfind('/').unwrap_or(0)),
            name => whole.extend(["/", name]),
        }
    }
    if whole.is_empty() {
        whole.push('/');
    }
    whole
}

/// Fails for what cannot be `user[:group]` in any image.
pub(super) fn check_user(text: &str, span: Span) -> Result<(), PlanError> {
    let invalid = |why| Err(PlanErrorKind::User { text: text.to_owned(), why }.at(span));
    if text.chars().any(char::is_control) {
        return invalid("a name has no control characters");
    }
    if text.matches(':').count() > 1 {
        return invalid("expected `user` or `user:group`");
    }
    let too_large = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && part.parse::<u32>().is_err()
    };
    if text.split(':').any(too_large) {
        return invalid("ids end at 4294967295");
    }
    Ok(())
}
