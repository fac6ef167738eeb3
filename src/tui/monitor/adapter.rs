//! The adapter of a finished run: where it lies, its files, and how it is loaded.

use super::Monitor;
use crate::run::view::State;
use crate::tui::text::{bytes, cut_inside, width};
use std::path::Path;

/// A file of an adapter and its bytes.
pub type AdapterFile = (String, u64);

impl Monitor {
    /// The folder of the adapter, once there is one.
    pub fn adapter_dir(&self) -> Option<String> {
        let head = self.head.as_ref().filter(|head| !head.dir.is_empty() && self.state == Some(State::Finished))?;
        Some(crate::run::directory::adapter_in(Path::new(&head.dir)).display().to_string())
    }

    /// Bytes of its files, once they were looked at.
    fn adapter_bytes(&self) -> Option<u64> {
        let files = self.adapter.as_ref().filter(|files| !files.is_empty())?;
        Some(files.iter().map(|(_, bytes)| bytes).sum())
    }

    /// Where the adapter lies and how large it is, in so many columns.
    pub(super) fn adapter_words(&self, columns: usize, ellipsis: &str) -> Option<String> {
        let size = self.adapter_bytes().map_or(String::new(), |size| format!("  {}", bytes(size)));
        Some(cut_inside(&self.adapter_dir()?, columns.saturating_sub(width(&size)), ellipsis).text() + &size)
    }

    /// What to do with it: a word, and what to type.
    pub(super) fn adapter_uses(&self) -> Vec<(&'static str, String)> {
        let Some(dir) = self.adapter_dir() else { return Vec::new() };
        let id = self.head.as_ref().map_or(self.run.as_str(), |head| &head.id);
        vec![
            ("load", format!("PeftModel.from_pretrained(model, \"{dir}\")")),
            ("predict", format!("autolora predict --run {id} --input rows.jsonl")),
            ("export", format!("autolora export {id} --format merged")),
        ]
    }
}
