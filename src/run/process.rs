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
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("this process logs elsewhere already");
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
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
