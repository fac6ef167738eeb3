//! The queue as those see it who only look.

use super::Queue;
use super::mark::{Entry, Present};
use crate::run::file::FileError;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// A device with its slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtDevice {
    /// E.g. `cpu`, `cuda-0`.
    pub device: String,
    pub slots: usize,
    /// Who works there: more than there are slots where runs were started without waiting.
    pub at_work: Vec<Entry>,
}

/// Who works and who waits on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub devices: Vec<AtDevice>,
    /// In their order.
    pub waiting: Vec<Entry>,
}

impl Listing {
    /// The place of a waiting run, from 1, among those that want the same devices.
    pub fn place(&self, run: &str) -> Option<usize> {
        let at = self.waiting.iter().position(|entry| entry.run == run)?;
        Some(1 + self.waiting[..at].iter().filter(|entry| entry.wants_like(&self.waiting[at])).count())
    }
}

impl Queue {
    /// Looks, and changes nothing.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn look(&self) -> Result<Listing, FileError> {
        let entries = |folder: PathBuf| -> Result<Vec<Entry>, FileError> {
            Ok(Present::seen_in(&folder)?.into_iter().map(|present| present.entry).collect())
        };
        // The waiting ones first: who gets a slot between the looks is seen twice, not never.
        let waiting = entries(self.waiting_folder())?;
        let mut names = BTreeSet::new();
        for folder in ["at-work", "slots"] {
            let files = fs::read_dir(self.folder.join(folder)).into_iter().flatten().flatten();
            let visible = files.filter_map(|entry| entry.file_name().into_string().ok());
            names.extend(visible.filter(|name| !name.starts_with('.')));
        }
        names.extend(waiting.iter().flat_map(|entry| entry.devices.clone()));
        let mut devices = Vec::new();
        for device in names {
            let at_work = entries(self.work_folder(&device))?;
            devices.push(AtDevice { slots: self.slots(&device), device, at_work });
        }
        let works = |entry: &Entry| {
            devices.iter().any(|device| device.at_work.iter().any(|one| (&one.run, one.pid) == (&entry.run, entry.pid)))
        };
        let waiting = waiting.into_iter().filter(|entry| !works(entry)).collect();
        Ok(Listing { devices, waiting })
    }
}
