//! What to run: typed settings and the registry that defines them. Ground floor; knows no tensors and no terminal.

pub mod home;
pub mod setting;
pub mod settings;

pub use home::home;
pub use setting::{Budget, Choice, Kind, Setting, Texts};
pub use settings::*;
