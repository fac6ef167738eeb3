//! Runs that wait for a free slot of a device: no daemon, no stored state. Everything is a file that its process keeps
//! locked, so that the kernel takes whoever dies out of the queue.
//!
//! `AUTOLORA_HOME/queue/HOST/` has, for the processes of that host:
//! - `waiting/ORDER-RUN.PID`: a ticket of a worker that waits; the lowest order is first
//! - `at-work/DEVICE/RUN.PID`: a worker that has a slot of the device
//! - `slots/DEVICE`: how many slots the device has, where it is not one
//! - `lock`: held for the moment of a change

mod listing;
mod mark;
mod seat;
mod turn;

pub use listing::{AtDevice, Crowd, Listing};
pub use mark::{Entry, Mark};
pub use seat::{Seat, seats};
pub use turn::{Look, Ticket, Turn};

use super::file::{FileError, lock_within, write_atomically};
use super::lock::hostname;
use crate::experiment::regular;
use mark::Present;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a change waits for another to be done; one takes less than a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);

/// The queue of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    host: String,
    folder: PathBuf,
}

impl Queue {
    /// That of a host, below AutoLoRA's home.
    pub fn new(home: &Path, host: &str) -> Queue {
        Queue { host: host.into(), folder: home.join("queue").join(mark::file_name(host)) }
    }

    /// That of this host, in the user's home.
    ///
    /// # Errors
    /// [`crate::experiment::home::NoHome`] where the environment names none.
    pub fn of_user() -> Result<Queue, crate::experiment::home::NoHome> {
        Ok(Queue::new(&crate::experiment::home()?, &hostname()))
    }

    /// Those of all hosts that ever had one in this home, this host's first.
    pub fn all(home: &Path) -> Vec<Queue> {
        let here = hostname();
        let folders = fs::read_dir(home.join("queue")).into_iter().flatten().flatten();
        let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
        let mut others: Vec<String> = names.filter(|name| *name != mark::file_name(&here)).collect();
        others.sort();
        std::iter::once(here).chain(others).map(|host| Queue::new(home, &host)).collect()
    }

    /// The host whose processes it orders.
    pub fn host(&self) -> &str {
        &self.host
    }

    fn waiting_folder(&self) -> PathBuf {
        self.folder.join("waiting")
    }

    fn work_folder(&self, device: &str) -> PathBuf {
        self.folder.join("at-work").join(mark::file_name(device))
    }

    fn slots_path(&self, device: &str) -> PathBuf {
        self.folder.join("slots").join(mark::file_name(device))
    }

    /// Runs that may be at work on a device before others wait; 1 unless the user says otherwise.
    pub fn slots(&self, device: &str) -> usize {
        let said = regular::read_to_string(&self.slots_path(device)).ok();
        said.and_then(|text| text.trim().parse().ok()).filter(|slots| *slots > 0).unwrap_or(1)
    }

    /// Sets the slots of a device; those that wait see it within a moment.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn set_slots(&self, device: &str, slots: usize) -> Result<(), FileError> {
        let path = self.slots_path(device);
        let folder = self.folder.join("slots");
        fs::create_dir_all(&folder).map_err(FileError::at("cannot make", &folder))?;
        write_atomically(&path, format!("{slots}\n").as_bytes())
    }

    /// Puts a waiting run before all others; false where it does not wait here.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn put_first(&self, run: &str) -> Result<bool, FileError> {
        let _change = self.change(PATIENCE)?;
        let waiting = Present::in_folder(&self.waiting_folder())?;
        let Some(own) = waiting.iter().find(|present| present.entry.run == run) else { return Ok(false) };
        let Some(first) = waiting.first().filter(|first| first.path != own.path) else { return Ok(true) };
        let name = own.name().split_once('-').map_or(own.name(), |(_, rest)| rest);
        let to = self.waiting_folder().join(format!("{:020}-{name}", first.order().saturating_sub(1)));
        fs::rename(&own.path, &to).map_err(FileError::at("cannot rename", &own.path))?;
        Ok(true)
    }

    /// The right to change the queue, until it is dropped.
    fn change(&self, patience: Duration) -> Result<File, FileError> {
        fs::create_dir_all(&self.folder).map_err(FileError::at("cannot make", &self.folder))?;
        let path = self.folder.join("lock");
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path);
        let file = file.map_err(FileError::at("cannot open", &path))?;
        match lock_within(&file, patience) {
            Ok(()) => Ok(file),
            Err(error) => Err(FileError::at("cannot lock", &path)(error.into())),
        }
    }

    /// Those at work on a device, dead ones cleared away. To be called with the right to change.
    fn at_work(&self, device: &str) -> Result<Vec<Present>, FileError> {
        Present::in_folder(&self.work_folder(device))
    }

    /// Takes a slot of a device, whether one is free or not. To be called with the right to change.
    fn sit_down(&self, entry: &Entry, device: &str) -> Result<Mark, FileError> {
        let since = super::file::timestamp();
        let entry = Entry { devices: vec![device.into()], since, ..entry.clone() };
        Mark::make(&self.work_folder(device), &entry.file_name(), &entry)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
