//! The real binary in a terminal: what a user sees, and what is left of it afterwards.

mod keyboard;
mod runs;
mod ssh;
mod stories;
mod support;
#[expect(dead_code, reason = "the benchmark needs more of it")]
mod synthetic;
mod theatre;

use portable_pty::PtySize;
use std::path::Path;
use support::{Session, size};

const PROGRAM: &str = env!("CARGO_BIN_EXE_autolora");

/// The program on 80 columns and 24 lines.
fn start(home: &Path, arguments: &[&str]) -> Session {
    with(home, arguments, size(80, 24), &[])
}

fn with(home: &Path, arguments: &[&str], size: PtySize, variables: &[(&str, &str)]) -> Session {
    Session::of(PROGRAM, home, arguments, size, variables)
}
