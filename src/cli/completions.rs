//! `autolora completions SHELL`

use super::{Cli, CliError};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::Write;

/// Print the completions of a shell
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    shell: Shell,
}

pub fn run(args: &CompletionsArgs, out: &mut impl Write) -> Result<u8, CliError> {
    // clap_complete ends the program where a write fails: so into memory first.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "autolora", &mut script);
    out.write_all(&script)?;
    Ok(0)
}
