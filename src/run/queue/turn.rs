//! How a worker comes to its device: at once, or in its turn.

use super::mark::{Entry, Mark, Present};
use super::seat::Seat;
use super::{PATIENCE, Queue};
use crate::run::directory::RunDir;
use crate::run::file::{FileError, timestamp};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Whether a worker waits for a free slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It takes no part in any queue: jobs within another program.
    Apart,
    /// It works at once, and those that wait take note of it.
    Now(Queue),
    /// It waits until a slot is free and nobody is before it.
    Waits(Queue),
}

/// What a look at the queue gave.
#[derive(Debug)]
pub enum Look {
    /// A slot, held until the mark is dropped, and its device.
    Seated(Mark, Seat),
    /// One after so many others that want the same devices.
    Waits { before: usize },
}

fn entry(dir: &RunDir, seats: &[Seat]) -> Entry {
    Entry {
        run: dir.id().into(),
        name: dir.info().name.clone(),
        dir: dir.path().into(),
        pid: std::process::id(),
        since: timestamp(),
        devices: seats.iter().map(|seat| seat.key.clone()).collect(),
    }
}

impl Queue {
    /// Takes a device without waiting: the first of `seats` that has a free slot, else the first; `None` where there are no seats.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn take_now(&self, dir: &RunDir, seats: &[Seat]) -> Result<Option<(Mark, Seat)>, FileError> {
        let Some(first) = seats.first() else { return Ok(None) };
        let _change = self.change(PATIENCE)?;
        let seat = self.free(seats)?.unwrap_or(first);
        Ok(Some((self.sit_down(&entry(dir, seats), &seat.key)?, seat.clone())))
    }

    /// The first seat with a free slot.
    fn free<'a>(&self, seats: &'a [Seat]) -> Result<Option<&'a Seat>, FileError> {
        for seat in seats {
            if self.at_work(&seat.key)?.len() < self.slots(&seat.key) {
                return Ok(Some(seat));
            }
        }
        Ok(None)
    }
}

/// A worker in the queue.
#[derive(Debug)]
pub struct Ticket {
    queue: Queue,
    entry: Entry,
    seats: Vec<Seat>,
    mark: Option<Mark>,
    /// The last look, and what the folders were then.
    looked: Option<(Instant, Vec<Option<SystemTime>>)>,
}

/// Time after which a look is due though no folder changed: who was killed changes none.
const FULL_LOOK: Duration = Duration::from_secs(2);

impl Ticket {
    /// Goes to the end of the queue for one of `seats`, which are not none.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn draw(queue: &Queue, dir: &RunDir, seats: Vec<Seat>) -> Result<Ticket, FileError> {
        let mut ticket = Ticket { queue: queue.clone(), entry: entry(dir, &seats), seats, mark: None, looked: None };
        let _change = queue.change(PATIENCE)?;
        ticket.line_up()?;
        Ok(ticket)
    }

    fn line_up(&mut self) -> Result<(), FileError> {
        let folder = self.queue.waiting_folder();
        // Behind the last, also where a clock was set back.
        let last = Present::in_folder(&folder)?.last().map_or(0, Present::order);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let order = (last + 1).max(u64::try_from(now.as_micros()).unwrap_or(0));
        let name = format!("{order:020}-{}", self.entry.file_name());
        // The old one first: going, it would take the new file of the same name along.
        self.mark = None;
        self.mark = Some(Mark::make(&folder, &name, &self.entry)?);
        Ok(())
    }

    /// Whether a look may find something new; costs a few system calls, where a look costs some for every run.
    pub fn is_due(&mut self) -> bool {
        let folders = self.seats.iter().map(|seat| self.queue.work_folder(&seat.key));
        let folders = folders.chain([self.queue.waiting_folder(), self.queue.folder.join("slots")]);
        let now = folders.map(|folder| folder.metadata().and_then(|folder| folder.modified()).ok()).collect();
        let due = self.looked.as_ref().is_none_or(|(at, before)| at.elapsed() >= FULL_LOOK || *before != now);
        if due {
            self.looked = Some((Instant::now(), now));
        }
        due
    }

    /// Whether it is this worker's turn. Where it is, its slot is taken and its place in the queue free.
    ///
    /// # Errors
    /// [`FileError`]; the next look may succeed.
    pub fn look(&mut self) -> Result<Look, FileError> {
        let queue = self.queue.clone();
        let _change = queue.change(PATIENCE)?;
        let own = |present: &Present| self.mark.as_ref().is_some_and(|mark| mark.is(present.name()));
        let waiting = Present::in_folder(&queue.waiting_folder())?;
        let Some(at) = waiting.iter().position(own) else {
            // Someone cleared the folder.
            self.line_up()?;
            return Ok(Look::Waits { before: waiting.len() });
        };
        let rivals = |key: &String| waiting[..at].iter().any(|present| present.entry.devices.contains(key));
        let mine: Vec<Seat> = self.seats.iter().filter(|seat| !rivals(&seat.key)).cloned().collect();
        if let Some(seat) = queue.free(&mine)? {
            let mark = queue.sit_down(&self.entry, &seat.key)?;
            self.mark = None;
            return Ok(Look::Seated(mark, seat.clone()));
        }
        let before = waiting[..at].iter().filter(|present| self.entry.wants_like(&present.entry)).count();
        Ok(Look::Waits { before })
    }

    /// The devices that it waits for, in words.
    pub fn wanted(&self) -> String {
        self.seats.iter().map(|seat| seat.device.as_str()).collect::<Vec<_>>().join(" or ")
    }
}

impl Entry {
    /// Whether both may take the same device.
    pub(super) fn wants_like(&self, other: &Entry) -> bool {
        self.devices.iter().any(|device| other.devices.contains(device))
    }
}
