//! `autolora man`

use super::{Cli, CliError};
use clap::{Args, CommandFactory};
use std::io::Write;

/// Print the manual page, of the program or of a verb: autolora man run | man -l -
#[derive(Debug, Args)]
pub struct ManArgs {
    verb: Option<String>,
}

pub fn run(args: &ManArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let mut program = Cli::command();
    program.build();
    let page = match &args.verb {
        None => program,
        Some(verb) => match program.find_subcommand(verb) {
            Some(command) => command.clone(),
            None => {
                let names = program.get_subcommands().map(clap::Command::get_name);
                let near = crate::experiment::nearest::nearest(verb, names).map(|name| format!("did you mean {name}?"));
                return Err(CliError::new(3, format!("there is no verb {verb:?}"), near));
            }
        },
    };
    clap_mangen::Man::new(page).render(out)?;
    Ok(0)
}
