//! Figures of an evaluation, each as the Python library that people compare with defines it.

mod classes;
mod correlation;
mod entities;
pub mod text;

pub use classes::{accuracy, f1_binary, f1_macro, f1_micro, majority, matthews_correlation};
pub use correlation::{pearson, spearman};
pub use entities::{EntityScores, Scheme, entities, entity_scores};
