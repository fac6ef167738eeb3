//! `autolora star RUN`, `autolora tag RUN [TAG...]`, `autolora note RUN [TEXT]`

use super::CliError;
use super::out::{called, find, say};
use crate::experiment::problem::printable;
use crate::run::notes::{Notes, change, tags_of};
use clap::Args;
use std::io::Write;

/// Star a run, to find it again: it can be sorted first
#[derive(Debug, Args)]
pub struct StarArgs {
    /// Id, unique beginning of one, name, or `last`
    run: String,
    /// Take the star away
    #[arg(long)]
    off: bool,
}

/// Tag a run; without tags, print those that it has, one a line
#[derive(Debug, Args)]
pub struct TagArgs {
    /// Id, unique beginning of one, name, or `last`
    run: String,
    /// Words to add
    tags: Vec<String>,
    /// Take these tags away instead
    #[arg(long, requires = "tags")]
    remove: bool,
}

/// Keep a note about a run; without a text, print it
#[derive(Debug, Args)]
pub struct NoteArgs {
    /// Id, unique beginning of one, name, or `last`
    run: String,
    /// One line, in the place of what is there; "" takes it away
    text: Option<String>,
}

pub fn star(args: &StarArgs) -> Result<u8, CliError> {
    let run = find(&args.run)?;
    change(&run, |notes| {
        notes.star = !args.off;
        Ok(())
    })?;
    say(format!("run {} {}", called(&run), if args.off { "has no star" } else { "is starred" }));
    Ok(0)
}

pub fn tag(args: &TagArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let run = find(&args.run)?;
    if args.tags.is_empty() {
        for tag in Notes::read(&run)?.tags {
            writeln!(out, "{}", printable(&tag))?;
        }
        return Ok(0);
    }
    let tags = tags_of(&args.tags.join(","))?;
    let notes = change(&run, |notes| {
        if args.remove {
            notes.remove_tags(&tags);
            return Ok(());
        }
        notes.add_tags(&tags)
    })?;
    let all = if notes.tags.is_empty() { "none".to_owned() } else { printable(&notes.tags.join(", ")) };
    say(format!("tags of run {}: {all}", called(&run)));
    Ok(0)
}

pub fn note(args: &NoteArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let run = find(&args.run)?;
    let Some(text) = &args.text else {
        let note = Notes::read(&run)?.note;
        if !note.is_empty() {
            writeln!(out, "{}", printable(&note))?;
        }
        return Ok(0);
    };
    let notes = change(&run, |notes| notes.set_note(text))?;
    say(format!("run {} {}", called(&run), if notes.note.is_empty() { "has no note" } else { "has a note" }));
    Ok(0)
}
