//! `{% generation %}`, a tag of transformers alone: it marks the parts of a template's output that the model is to learn.

use minijinja::value::{Kwargs, Object, from_args};
use minijinja::{Error, State, Value};
use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Name under which the template finds the [`Marks`] of a rendering.
pub(super) const NAME: &str = "_generation";

/// What one rendering's generation blocks put out. Given to the template as a function that a block calls.
#[derive(Debug, Default)]
pub(super) struct Marks {
    written: AtomicUsize,
    blocks: Mutex<Vec<(usize, String)>>,
}

impl Object for Marks {
    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (kwargs,): (Kwargs,) = from_args(args)?;
        let body: Value = kwargs.get("caller")?;
        let text = body.call(state, &[])?;
        let start = self.written.load(Ordering::Relaxed);
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.push((start, text.to_string()));
        Ok(text)
    }
}

impl Marks {
    /// The blocks' byte ranges in `text`; none if a block's output went elsewhere first, e.g. through a macro, so that its place
    /// is not known.
    pub fn ranges(&self, text: &str) -> Option<Vec<Range<usize>>> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let range = |(start, block): &(usize, String)| {
            let range = *start..start + block.len();
            (text.get(range.clone()) == Some(block)).then_some(range)
        };
        blocks.iter().map(range).collect()
    }
}

/// Text as it is put out, counted for the [`Marks`].
pub(super) struct Counted<'a> {
    pub bytes: &'a mut Vec<u8>,
    pub marks: Arc<Marks>,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        self.marks.written.store(self.bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
