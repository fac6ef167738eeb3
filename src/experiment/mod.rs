//! What to run: typed settings and the registry that defines them. Ground floor; knows no tensors and no terminal.

pub mod atomic;
pub mod catalogue;
pub mod check;
pub mod config;
pub mod doc;
pub mod encoders;
pub mod estimate;
pub mod exchange;
pub mod files;
pub mod home;
pub mod kind;
mod layer;
mod metric;
pub mod nearest;
pub mod parse;
pub mod preset;
pub mod preset_error;
pub mod problem;
pub mod regular;
pub mod resolved;
pub mod schema;
pub mod setting;
pub mod settings;

pub use check::{check, rules_for};
pub use config::{Config, ConfigError};
pub use doc::PresetDoc;
pub use exchange::{Difference, Imported, difference_of};
pub use files::check_files;
pub use home::home;
pub use parse::{Complaint, Reading, Source, parse, parse_with_files, read, setting};
pub use preset::{Found, Listed, Origin, Presets, resolve};
pub use preset_error::PresetError;
pub use problem::{Place, Problem, Problems};
pub use resolved::{diff, differing, resolved_toml, value_of};
pub use schema::json_schema;
pub use setting::{Budget, Choice, Kind, LARGEST_BUDGET, Setting, Texts};
pub use settings::*;

/// The name of the embedded encoder and of its dataset.
pub const BUILTIN_DEMO: &str = "builtin:demo";
/// The name of the embedded decoder and of its dataset.
pub const BUILTIN_GENERATION: &str = "builtin:demo-generation";
