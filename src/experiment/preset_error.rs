//! Why a preset cannot be had, and with which exit code a verb then ends.

use super::Problems;
use super::home::NoHome;
use super::problem::quoted;
use std::io;
use std::path::PathBuf;

/// Why a preset cannot be had, kept or taken away.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PresetError {
    /// No such preset.
    #[error("no preset or file {}", quoted(name))]
    NotFound {
        /// As the user wrote it.
        name: String,
        /// The near names, or all.
        #[help]
        help: String,
    },
    /// The file cannot be read, or is none.
    #[error("cannot read the preset {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is no preset.
    #[error("{} is no preset: {why}", path.display())]
    NotAPreset {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// A name that is no file name everywhere.
    #[error(
        "{} cannot be the name of a preset, which has letters, digits, - and _, later on dots, at most 64 in all",
        quoted(name)
    )]
    BadName {
        /// As the user wrote it.
        name: String,
    },
    /// The name is taken.
    #[error("there is a saved preset {name} already")]
    #[diagnostic(help(
        "choose another name, or delete it first: autolora preset delete {name}; import takes its place with --force"
    ))]
    Exists {
        /// The name.
        name: String,
    },
    /// A file is there.
    #[error("there is a file {} already", path.display())]
    #[diagnostic(help("choose another one, or write over it with --force"))]
    FileExists {
        /// The file.
        path: PathBuf,
    },
    /// A shipped preset cannot be taken away.
    #[error("the preset {name} is part of the program")]
    #[diagnostic(help("a saved preset of the same name wins over it: autolora preset new {name} --from {name}"))]
    Shipped {
        /// The name.
        name: String,
    },
    /// Nothing could be written.
    #[error("cannot {action} {}: {error}", path.display())]
    #[diagnostic(help("presets are kept below AUTOLORA_HOME, where it is set, else below ~/.local/share/autolora"))]
    Write {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No folder to keep presets in.
    #[error(transparent)]
    #[diagnostic(help("set AUTOLORA_HOME to a folder that can be written to"))]
    NoHome(#[from] NoHome),
    /// The preset says something wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Problems(#[from] Problems),
}

impl PresetError {
    /// The exit code of a verb that ends by this.
    pub fn exit_code(&self) -> u8 {
        match self {
            PresetError::NotFound { .. } => 3,
            PresetError::Read { error, .. } if error.kind() == io::ErrorKind::NotFound => 3,
            PresetError::Read { .. } | PresetError::Write { .. } | PresetError::NoHome(_) => 1,
            PresetError::NotAPreset { .. }
            | PresetError::BadName { .. }
            | PresetError::Exists { .. }
            | PresetError::FileExists { .. }
            | PresetError::Shipped { .. } => 2,
            PresetError::Problems(problems) => problems.exit_code(),
        }
    }
}
