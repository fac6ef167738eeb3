//! The process that outlives a worker to tell how it ended: `autolora notifier DIR`. It holds the reading end of a pipe
//! whose writing end is the worker's alone, so that the kernel wakes it, however the worker dies.

use super::directory::RunDir;
use super::process::huge_pages;
use super::view::State;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a command may take.
pub const LIMIT: Duration = Duration::from_secs(60);
/// Time between looks at a command that is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// The worker's end of the pipe.
#[derive(Debug)]
pub struct Companion {
    pipe: ChildStdin,
}

impl Companion {
    /// Starts it in a session of its own, so that what ends the worker's group spares it.
    ///
    /// # Errors
    /// Where the system has no process for it.
    pub fn start(dir: &RunDir) -> io::Result<Companion> {
        let log = OpenOptions::new().create(true).append(true).open(dir.worker_log_path())?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("notifier").arg(dir.path()).stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        // SAFETY: between fork and exec only async-signal-safe calls are allowed; these are system calls alone.
        unsafe {
            command.pre_exec(|| {
                // Fails only for a group leader, which a fresh child is not.
                let _ = rustix::process::setsid();
                huge_pages(false);
                Ok(())
            });
        }
        let pipe = command.spawn()?.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Companion { pipe })
    }

    /// Says how the worker ended, with the run's lock let go of. Without this word, it died.
    pub fn tell(mut self, state: State) {
        if let Err(error) = self.pipe.write_all(state.name().as_bytes()) {
            tracing::warn!("nobody is there to notify: {error}");
        }
    }
}

/// Waits for the worker at the other end of `pipe`: the word that it left, or `None` where it died.
///
/// # Errors
/// Where the pipe cannot be read.
pub fn wait_for_worker(pipe: &mut impl Read) -> io::Result<Option<State>> {
    let mut word = String::new();
    pipe.read_to_string(&mut word)?;
    let ends = [State::Paused, State::Stopped, State::Failed, State::Finished];
    Ok(ends.into_iter().find(|state| state.name() == word))
}

/// Runs `command` by `sh -c` with these variables and this input, for at most `limit`; its output is this process's.
///
/// # Errors
/// In words, with the command's exit status where it has one.
pub fn notify(command: &str, variables: &[(&str, String)], input: &str, limit: Duration) -> Result<(), String> {
    huge_pages(true);
    let mut shell = Command::new("sh");
    // A group of its own, so that all of it can be ended.
    shell.arg("-c").arg(command).stdin(Stdio::piped()).process_group(0);
    // A text of the system's has no NUL; one of ours may, in a name that was written into a file.
    shell.envs(variables.iter().map(|(name, value)| (name, value.replace('\0', ""))));
    let mut child = shell.spawn().map_err(|error| format!("cannot start a shell: {error}"))?;
    let pipe = child.stdin.take();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A command need not read it.
            let _ = pipe.map(|mut pipe| pipe.write_all(input.as_bytes()));
        });
        finish(&mut child, limit)
    })
}

fn finish(child: &mut Child, limit: Duration) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(status.to_string()),
            Ok(None) if start.elapsed() < limit => std::thread::sleep(LOOK),
            Ok(None) => {
                end_group(child);
                return Err(format!("it took longer than {} s and was ended", limit.as_secs()));
            }
            Err(error) => {
                end_group(child);
                return Err(format!("cannot wait for it: {error}"));
            }
        }
    }
}

fn end_group(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(Err(error)) =
        group.map(|group| rustix::process::kill_process_group(group, rustix::process::Signal::KILL))
    {
        tracing::warn!("cannot end the command: {error}");
    }
    // Killed: it does not keep us waiting.
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_an_end_and_silence_a_death() {
        assert_eq!(wait_for_worker(&mut "finished".as_bytes()).unwrap(), Some(State::Finished));
        for torn in ["", "fini", "running"] {
            assert_eq!(wait_for_worker(&mut torn.as_bytes()).unwrap(), None, "{torn}");
        }
    }

    #[test]
    fn a_command_has_variables_and_input_and_its_failure_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let said = folder.path().join("said");
        let command = format!("echo \"$WHO\" > '{0}'; cat >> '{0}'", said.display());
        notify(&command, &[("WHO", "me\0".into())], "input", LIMIT).unwrap();
        assert_eq!(std::fs::read_to_string(said).unwrap(), "me\ninput");
        assert!(notify("exit 3", &[], "", LIMIT).unwrap_err().contains('3'));
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_all_that_it_started() {
        // More input than a pipe holds, and nobody reads it.
        let input = "x".repeat(1 << 20);
        let error = notify("sleep 600 & sleep 600", &[], &input, Duration::from_millis(50)).unwrap_err();
        assert!(error.contains("was ended"), "{error}");
    }
}
