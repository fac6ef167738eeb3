//! Conversations as text: a model's own chat template, the parts of its output that are replies, and rows of instructions.
//!
//! Templates are Jinja as `apply_chat_template` of transformers runs it; minijinja does the work, `source` and `generation` add
//! the tag of transformers, `python` and `json` what templates expect of Python. Knows nothing of tokens, disks or settings.
//!
//! What is otherwise than in transformers: `%` does not format strings, floats of more than 16 digits and unprintable signs in a
//! printed list or mapping look otherwise, macros take only the arguments that they name, a newline right after
//! `{% raw %}` is dropped, `title()` knows apostrophes, rare methods of strings (`zfill`, `center`, ...) are missing, and special
//! tokens that only a tokenizer's class knows are undefined.

mod error;
mod files;
mod generation;
mod json;
mod message;
mod python;
mod replies;
mod rows;
mod source;
mod template;

pub use error::ChatError;
pub use message::Message;
pub use replies::Rendered;
pub use rows::{Row, form, reads};
pub use template::ChatTemplate;
