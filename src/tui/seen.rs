//! Up to where the user has seen each run: a small file a run, so that whoever comes back is told what happened meanwhile.

use crate::experiment::atomic::write_atomic;
use crate::experiment::home;
use crate::experiment::regular;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

/// The last event of a run that was on a screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub seq: u64,
    /// When it was looked at: RFC 3339, UTC.
    pub time: String,
}

fn path(run: &str) -> Option<PathBuf> {
    // An id is a file name; anything else would lead out of the folder.
    let is_name = !run.is_empty() && run.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    Some(home().ok()?.join("state").join("seen").join(format!("{run}.json"))).filter(|_| is_name)
}

/// Up to where a run was seen; none where it never was, or where that is not to be read.
pub fn load(run: &str) -> Option<Seen> {
    serde_json::from_slice(&regular::read(&path(run)?).ok()?).ok()
}

/// Keeps up to where a run was seen. Where that fails, nobody is told the less: the card is a convenience.
pub fn keep(run: &str, seen: &Seen) {
    let Some(path) = path(run) else { return };
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        let mut line = serde_json::to_vec(seen)?;
        line.push(b'\n');
        write_atomic(&path, &line)
    });
    if let Err(error) = written {
        tracing::warn!("cannot keep what was seen of a run: {error}");
    }
}

/// Forgets a run that is deleted.
pub fn forget(run: &str) {
    // There may be none.
    let _ = path(run).map(fs::remove_file);
}
