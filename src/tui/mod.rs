//! The screens. `update(&mut Model, Msg) -> Vec<Effect>` and `view(&Model, &mut Frame)` are pure; the loop around them is
//! in [`app`], what they ask of the disk in [`effects`] and [`watch`], what the terminal needs in [`terminal`].

pub mod app;
pub mod chart;
pub mod compare;
pub mod draw;
pub mod effects;
pub mod endings;
pub mod form;
pub mod input;
pub mod kept;
pub mod keyboard;
pub mod keys;
pub mod look;
pub mod model;
pub mod monitor;
pub mod mouse;
pub mod msg;
pub mod outlet;
pub mod pace;
pub mod palette;
pub mod picker;
pub mod popup;
pub mod preflight;
pub mod presets;
pub mod runs;
pub mod seen;
pub mod signals;
pub mod terminal;
pub mod text;
pub mod update;
pub mod view;
pub mod watch;
pub mod wire;
pub mod writer;

pub use app::{Start, TuiError, has_terminal, run};
