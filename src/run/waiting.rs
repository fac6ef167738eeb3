//! What a worker does before it begins: waits for a slot of its device, and listens meanwhile.

use super::control::{Control, Request};
use super::directory::{DirError, RunDir};
use super::event::{Event, Phase};
use super::file::FileError;
use super::follow::Follower;
use super::lock::hostname;
use super::log::EventLog;
use super::queue::{Look, Mark, Queue, Seat, Ticket, Turn, seats};
use super::signals::Signals;
use super::view::RunView;
use super::worker::{JobEnd, keep_allocation};
use std::time::Duration;

/// Time between looks at what is asked and whether someone came or went: a few system calls each.
const LOOK: Duration = Duration::from_millis(250);

/// What the waiting came to.
#[derive(Debug)]
pub enum Ready {
    /// The device to open; its slot is held with the mark, where the worker takes part in a queue.
    Seated { mark: Option<Mark>, device: String },
    /// It was asked to end before its turn came.
    Asked(JobEnd),
}

/// There is no waiting.
#[derive(Debug)]
pub enum Unseated {
    Log(FileError),
    Dir(DirError),
    Queue(FileError),
}

/// Comes to a device by `turn`. Those without a turn are never kept: where the queue cannot be used, they go on without.
///
/// # Errors
/// [`Unseated`].
pub fn wait_for_device(
    dir: &RunDir,
    turn: &Turn,
    log: &mut EventLog,
    control: &mut Control,
    signals: &Signals,
) -> Result<Ready, Unseated> {
    let setting = dir.experiment().map_err(Unseated::Dir)?.runtime.device;
    let seats = match turn {
        Turn::Apart => Vec::new(),
        _ => seats(&setting),
    };
    match turn {
        // The job reports a word that is no device.
        _ if seats.is_empty() => Ok(Ready::Seated { mark: None, device: setting }),
        Turn::Waits(queue) => {
            let ticket = Ticket::draw(queue, dir, seats).map_err(Unseated::Queue)?;
            wait_for_turn(dir, ticket, log, control, signals)
        }
        Turn::Now(queue) => Ok(take_now(queue, dir, &seats).unwrap_or(Ready::Seated { mark: None, device: setting })),
        Turn::Apart => Ok(Ready::Seated { mark: None, device: setting }),
    }
}

fn take_now(queue: &Queue, dir: &RunDir, seats: &[Seat]) -> Option<Ready> {
    match queue.take_now(dir, seats) {
        Ok(taken) => taken.map(|(mark, seat)| Ready::Seated { mark: Some(mark), device: seat.device }),
        Err(error) => {
            tracing::warn!("runs that wait for a device do not know of this one: {error}");
            None
        }
    }
}

fn wait_for_turn(
    dir: &RunDir,
    mut ticket: Ticket,
    log: &mut EventLog,
    control: &mut Control,
    signals: &Signals,
) -> Result<Ready, Unseated> {
    let mut told = false;
    let mut complaint: Option<String> = None;
    loop {
        if let Some(request) = signals.request().or_else(|| control.poll().cloned()) {
            return asked(dir, request).map(Ready::Asked).map_err(Unseated::Log);
        }
        if let Some(choice) = control.take_allocation() {
            let view = view(dir).map_err(Unseated::Log)?;
            // Who asks looks first whether it is too late.
            if !view.allocated {
                let phase = view.phase.unwrap_or(Phase::Prepare);
                let event = keep_allocation(dir, &choice, phase).map_err(Unseated::Dir)?;
                log.append(event).map_err(Unseated::Log)?;
            }
        }
        if !ticket.is_due() {
            std::thread::sleep(LOOK);
            continue;
        }
        match ticket.look() {
            Ok(Look::Seated(mark, seat)) => return Ok(Ready::Seated { mark: Some(mark), device: seat.device }),
            Ok(Look::Waits { before }) if !told => {
                told = true;
                log.append(queued(&ticket, before)).map_err(Unseated::Log)?;
            }
            Ok(Look::Waits { .. }) => {}
            Err(error) => {
                let error = error.to_string();
                if complaint.as_ref() != Some(&error) {
                    tracing::warn!("cannot look at the queue, and goes on trying: {error}");
                    complaint = Some(error);
                }
            }
        }
        std::thread::sleep(LOOK);
    }
}

fn queued(ticket: &Ticket, before: usize) -> Event {
    Event::Queued { pid: std::process::id(), host: hostname(), device: ticket.wanted(), place: before + 1 }
}

/// The end that was asked for, where the run stands: at its start, or where an earlier worker left it.
fn asked(dir: &RunDir, request: Request) -> Result<JobEnd, FileError> {
    let view = view(dir)?;
    let (phase, step) = (view.phase.unwrap_or(Phase::Prepare), view.step);
    Ok(match request {
        Request::Pause => JobEnd::Paused { phase, step },
        Request::Stop { reason } => JobEnd::Stopped { phase, step, reason },
    })
}

fn view(dir: &RunDir) -> Result<RunView, FileError> {
    Ok(RunView::of(&Follower::new(&dir.events_path()).read_all()?))
}
