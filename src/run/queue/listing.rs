//! The queue as those see it who only look.

use super::mark::{Entry, Present, file_name};
use super::{Queue, Seat, seats};
use crate::experiment::problem::printable;
use crate::run::file::FileError;
use std::collections::BTreeSet;
use std::fmt;
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

/// A device without a free slot, of which a run would have to share what others use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// E.g. `cpu`, `cuda-0`.
    pub device: String,
    pub at_work: Vec<Entry>,
}

impl Crowd {
    /// Who is where a run with this `runtime.device` would go, where no slot is free there. A queue that cannot be looked at
    /// keeps nobody, so that it says nothing.
    pub fn at(device: &str) -> Option<Crowd> {
        Queue::of_user().ok()?.look().ok()?.crowd(&seats(device))
    }
}

/// `cpu is in use by run 20261123-203312-a1b2 (demo); both will be slower`.
impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Runs that are called by their names.
        const NAMED: usize = 3;
        let called = |entry: &Entry| format!("run {} ({})", printable(&entry.run), printable(&entry.name));
        let named: Vec<String> = self.at_work.iter().take(NAMED).map(called).collect();
        write!(f, "{} is in use by {}", self.device, named.join(", "))?;
        if self.at_work.len() > NAMED {
            write!(f, " and {} more", self.at_work.len() - NAMED)?;
        }
        write!(f, "; {} will be slower", if self.at_work.len() == 1 { "both" } else { "all" })
    }
}

impl Listing {
    /// Who is on the first of some devices, where none of them has a free slot.
    pub fn crowd(&self, seats: &[Seat]) -> Option<Crowd> {
        let full = |seat: &Seat| {
            let device = self.devices.iter().find(|device| device.device == file_name(&seat.key))?;
            (device.at_work.len() >= device.slots)
                .then(|| Crowd { device: device.device.clone(), at_work: device.at_work.clone() })
        };
        let crowds: Option<Vec<Crowd>> = seats.iter().map(full).collect();
        crowds?.into_iter().next()
    }

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
