//! The user's own file, `AUTOLORA_HOME/config.toml`: how the program behaves on this user's screen, whatever runs.

use super::home::home;
use super::kind::seen;
use super::layer::{Lines, not_toml, plain, printable_key};
use super::nearest::nearest;
use super::problem::{Problem, Problems};
use std::io;
use std::path::PathBuf;
use toml::de::{DeTable, DeValue};

/// What the file says, or else the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `ui.mouse`: the terminal reports the mouse to the program, and no longer selects text by it. Off by default.
    pub mouse: bool,
    /// `notify.bell`: the bell rings when a run that is watched ends. On by default.
    pub bell: bool,
    /// `notify.osc9`: the desktop shows a notice then, where the terminal can (OSC 9). On by default.
    pub osc9: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config { mouse: false, bell: true, osc9: true }
    }
}

/// A key of the file: its name, and where its value goes.
type Key = (&'static str, fn(&mut Config) -> &mut bool);

const KEYS: [Key; 3] = [
    ("ui.mouse", |config| &mut config.mouse),
    ("notify.bell", |config| &mut config.bell),
    ("notify.osc9", |config| &mut config.osc9),
];

/// Why there is no configuration.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file says what cannot be meant.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Problems(#[from] Problems),
}

impl ConfigError {
    /// The exit code of a program that ends by this.
    pub fn exit_code(&self) -> u8 {
        match self {
            ConfigError::Read { .. } => 1,
            ConfigError::Problems(problems) => problems.exit_code(),
        }
    }
}

impl Config {
    /// Reads the user's file; the defaults where there is none.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem of the file.
    pub fn of_user() -> Result<Config, ConfigError> {
        // Who has no home has no file in it; the runs say so better.
        let Ok(home) = home() else { return Ok(Config::default()) };
        let path = home.join("config.toml");
        match super::regular::read_to_string(&path) {
            Ok(text) => Ok(Config::parse(&path.display().to_string(), &text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Config::default()),
            Err(error) => Err(ConfigError::Read { path, error }),
        }
    }

    /// Reads a text; `name` is what errors call it.
    ///
    /// # Errors
    /// [`Problems`] with all of them.
    pub fn parse(name: &str, text: &str) -> Result<Config, Problems> {
        let lines = Lines::new(text);
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut reading = Reading { config: Config::default(), problems: Vec::new(), lines: &lines };
        if let Some(error) = errors.into_iter().next() {
            let span = error.span().unwrap_or(0..0);
            let message = not_toml(error.message(), text.get(span.clone()).unwrap_or_default());
            reading.problems.push(Problem { key: String::new(), place: lines.place(span), message, help: None });
        } else {
            reading.take("", root.get_ref());
        }
        if reading.problems.is_empty() { Ok(reading.config) } else { Err(Problems::new(name, text, reading.problems)) }
    }
}

struct Reading<'a> {
    config: Config,
    problems: Vec<Problem>,
    lines: &'a Lines<'a>,
}

impl Reading<'_> {
    fn take(&mut self, path: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = if path.is_empty() { name.get_ref().to_string() } else { format!("{path}.{}", name.get_ref()) };
            let is_group =
                KEYS.iter().any(|(known, _)| known.strip_prefix(&key).is_some_and(|rest| rest.starts_with('.')));
            let (message, help) = match (KEYS.iter().find(|(known, _)| *known == key), value.get_ref()) {
                (Some((_, field)), DeValue::Boolean(yes)) => {
                    *field(&mut self.config) = *yes;
                    continue;
                }
                (Some(_), other) => (format!("must be true or false, not {}", seen(&plain(other))), None),
                (None, DeValue::Table(table)) if is_group => {
                    self.take(&key, table);
                    continue;
                }
                (None, other) if is_group => {
                    let message = format!("is a table, not {}", seen(&plain(other)));
                    (message, Some(format!("begin it with [{key}]")))
                }
                (None, _) => ("is no key of this file".into(), Some(suggestion(&key))),
            };
            // What is wrong with a value is shown at the value, what is wrong with a key at the key.
            let span = if help.is_none() { value.span() } else { name.span() };
            self.problems.push(Problem { key: printable_key(&key), place: self.lines.place(span), message, help });
        }
    }
}

/// The key that was meant, else all that there are.
fn suggestion(key: &str) -> String {
    let names = || KEYS.iter().map(|(known, _)| *known);
    let name = key.rsplit('.').next().unwrap_or(key);
    let last = |known: &str| known.rsplit('.').next().unwrap_or_default().to_owned();
    let elsewhere = names().find(|known| last(known) == name);
    match elsewhere.or_else(|| nearest(key, names())) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("its keys are {}", names().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, key and message of each problem, with its help.
    fn problems(text: &str) -> Vec<String> {
        let problems = Config::parse("config.toml", text).unwrap_err();
        let line = |problem: &Problem| match &problem.help {
            Some(help) => format!("{problem} ({help})"),
            None => problem.to_string(),
        };
        problems.list().iter().map(line).collect()
    }

    #[test]
    fn what_is_said_wins_over_the_defaults() {
        assert_eq!(Config::parse("", "").unwrap(), Config { mouse: false, bell: true, osc9: true });
        let text = "# mine\n[ui]\nmouse = true\n\n[notify]\nosc9 = false\n";
        assert_eq!(Config::parse("", text).unwrap(), Config { mouse: true, bell: true, osc9: false });
        assert!(Config::parse("", "ui.mouse = true").unwrap().mouse);
    }

    #[test]
    fn every_problem_is_told_at_its_line_with_the_right_name() {
        let text = "ui = 3\n\n[notify]\nbel = true\nosc9 = \"no\"\nmouse = true\n";
        assert_eq!(
            problems(text),
            [
                "line 1: ui is a table, not 3 (begin it with [ui])",
                "line 4: notify.bel is no key of this file (did you mean notify.bell?)",
                "line 5: notify.osc9 must be true or false, not \"no\"",
                "line 6: notify.mouse is no key of this file (did you mean ui.mouse?)",
            ]
        );
        assert_eq!(
            problems("colours = 256"),
            ["line 1: colours is no key of this file (its keys are ui.mouse, notify.bell, notify.osc9)"]
        );
    }

    #[test]
    fn a_slip_of_syntax_and_control_characters_are_told() {
        let syntax = problems("[ui\nmouse = true");
        assert!(syntax[0].starts_with("line 1: not TOML: "), "{syntax:?}");
        let evil = problems("\"a\\u001b[2J\" = 1");
        assert!(evil[0].contains("a?[2J"), "{evil:?}");
    }

    #[test]
    fn the_fields_and_their_keys_are_one_to_one() {
        for (key, _) in KEYS {
            let other = !(KEYS.iter().find(|(known, _)| *known == key).unwrap().1)(&mut Config::default()).to_owned();
            let text = format!("{key} = {other}");
            let mut read = Config::parse("", &text).unwrap();
            let changed = KEYS.iter().filter(|(_, field)| *field(&mut read) != *field(&mut Config::default())).count();
            assert_eq!(changed, 1, "{key}");
        }
    }
}
