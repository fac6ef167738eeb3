//! The memory of a program that people leave open all day, beside a training that needs it.

use super::process::huge_pages;
use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What the allocator (mimalloc) is told: memory that is free goes back at once, and none is taken before it is used. It reads
/// this before `main`, so that a program that wants it otherwise than a worker does has to begin again.
const OPTIONS: [(&str, &str); 2] = [("MIMALLOC_PURGE_DELAY", "0"), ("MIMALLOC_ARENA_EAGER_COMMIT", "0")];

/// Begins this program again, in the same process, with small pages and an allocator that keeps little: half of the memory of a
/// screen with a long history, for a few milliseconds at its start. Where that cannot be, things stay as they are.
pub fn keep_little() {
    huge_pages(false);
    if OPTIONS.iter().any(|(name, _)| env::var_os(name).is_some()) {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // Comes back only where it failed.
    let error = command.args(arguments).envs(OPTIONS).exec();
    tracing::warn!("the program goes on with more memory than it needs: {error}");
}

/// Takes that away again for a child that works: there it would cost time.
pub fn for_a_worker(command: &mut Command) {
    OPTIONS.iter().for_each(|(name, _)| {
        command.env_remove(name);
    });
}
