//! The process of a worker: a session of its own, and its words in `worker.log`.

use super::directory::RunDir;
use super::file::FileError;
use std::fs::OpenOptions;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;

/// Makes this process a worker: leaves the terminal's session, logs to `worker.log` (level by `AUTOLORA_LOG`, default
/// `info`), and has panics logged there.
///
/// # Errors
/// [`FileError`] where the log cannot be opened.
pub fn become_worker(dir: &RunDir) -> Result<(), FileError> {
    // Fails where the process leads a group already, as under a shell or a scheduler: then it is theirs to keep.
    let _ = rustix::process::setsid();
    let path = dir.worker_log_path();
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(FileError::at("cannot open", &path))?;
    let filter = EnvFilter::try_from_env("AUTOLORA_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // On a full disk it would tell of its own errors on stderr, which is this file, and panic: the hook below would then wait
    // for the file's lock for ever.
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(Mutex::new(file))
        .finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("this process logs elsewhere already");
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

/// Whether a process of this machine is gone, or on its way: it may hold its locks for a moment still.
pub fn is_ending(pid: u32) -> bool {
    /// `PF_EXITING` of the kernel.
    const EXITING: u64 = 0x4;
    // Where there is no such folder of processes, nothing is known.
    stat(pid).map_or(cfg!(target_os = "linux"), |(state, flags)| matches!(state, 'Z' | 'X') || flags & EXITING != 0)
}

/// Whether a process of this machine was stopped, by `kill -STOP` or a debugger: it does nothing until it is continued.
pub fn is_stopped(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| matches!(state, 'T' | 't'))
}

/// State and flags of a process; none where it is not there.
fn stat(pid: u32) -> Option<(char, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may hold anything, brackets too.
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let state = fields.next().and_then(|state| state.chars().next()).unwrap_or(' ');
    Some((state, fields.nth(5).and_then(|flags| flags.parse().ok()).unwrap_or(0)))
}

/// Whether this process and those that it starts may have pages of 2 MiB: a worker's matrices gain by them, while a companion
/// or a screen that is open for days only holds more memory. Where the system has no such switch, nothing is lost. May be called
/// between fork and exec: it allocates nothing.
pub fn huge_pages(wanted: bool) {
    #[cfg(target_os = "linux")]
    // SAFETY: sets a flag of the process and takes no pointers.
    unsafe {
        libc::prctl(
            libc::PR_SET_THP_DISABLE,
            libc::c_ulong::from(!wanted),
            0 as libc::c_ulong,
            0 as libc::c_ulong,
            0 as libc::c_ulong,
        );
    }
    #[cfg(not(target_os = "linux"))]
    let _ = wanted;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_dead_ends_and_one_that_lives_does_not() {
        if !cfg!(target_os = "linux") {
            return;
        }
        assert!(!is_ending(std::process::id()));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!is_ending(child.id()));
        child.kill().unwrap();
        // Not waited for: dead, and still in the table.
        let start = std::time::Instant::now();
        while !is_ending(child.id()) {
            assert!(start.elapsed().as_secs() < 60);
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(is_ending(child.id()));
    }
}
