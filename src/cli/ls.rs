//! `autolora ls`

use super::CliError;
use super::frame::{Snapshot, zone};
use super::out::{Json, say, table, warn_of_damage};
use crate::experiment::nearest::nearest;
use crate::experiment::problem::{printable, quoted};
use crate::run::directory::RunDir;
use crate::run::store::Store;
use crate::tui::runs::folder::{name_parents, row_of, unreadable_row};
use crate::tui::runs::order::{Key, Order};
use crate::tui::runs::{Column, RunRow, filter};
use crate::tui::text::{cut, width};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write, stdout};

/// List the runs, oldest first
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct LsArgs {
    /// Only runs with all of these words, as `/` on the screen: anywhere, in a field (state:failed, tag:x, is:starred), or
    /// after a dash not at all
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    filter: Option<String>,
    /// By a column, as the screen does; with :asc or :desc by rising or falling values
    #[arg(long, value_name = "COLUMN[:asc|:desc]")]
    sort: Option<String>,
    /// Columns of the text, between commas
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    columns: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Columns: name, id, state, progress, time-left, score, started, mean-rank, parameters, model, data, took, tags, phase, steps,
best-loss, note, parent; --sort also takes star. By score the best comes first, by started the newest.";

/// A column of the text.
#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Name,
    Of(Column),
}

/// Those that are shown unasked; tags where a run has some.
const USUAL: [Shown; 8] = [
    Shown::Of(Column::Id),
    Shown::Name,
    Shown::Of(Column::State),
    Shown::Of(Column::Progress),
    Shown::Of(Column::Left),
    Shown::Of(Column::Score),
    Shown::Of(Column::Started),
    TAGS,
];
const TAGS: Shown = Shown::Of(Column::Tags);

/// A run with what is said of it in either form.
struct Listed {
    row: RunRow,
    json: Value,
}

pub fn run(args: &LsArgs, out: &mut impl Write) -> Result<u8, CliError> {
    // What is said wrongly is told before anything is read.
    let columns = args.columns.iter().map(|said| shown_of(said)).collect::<Result<Vec<Shown>, _>>()?;
    let sort = args.sort.as_deref().map(sort_of).transpose()?;
    let words = args.filter.as_deref().unwrap_or_default();
    if let Some((word, known)) = filter::unknown(words) {
        return Err(no_such_word(word, &known));
    }
    let runs = Store::of_user()?.list()?;
    let mut rows = Vec::new();
    let mut jsons = Vec::new();
    for run in runs {
        let Listed { row, json } = look(run)?;
        rows.push(row);
        jsons.push(json);
    }
    name_parents(&mut rows);
    let mut listed: Vec<Listed> = rows.into_iter().zip(jsons).map(|(row, json)| Listed { row, json }).collect();
    listed.retain(|one| filter::matches(words, &one.row));
    if let Some((key, rising)) = sort {
        sorted(&mut listed, key, rising);
    }
    if args.json {
        for one in &listed {
            writeln!(out, "{}", Json(&one.json))?;
        }
        return Ok(0);
    }
    write_text(&listed, columns, out)
}

/// One run; one that cannot be read hides no other.
fn look(run: RunDir) -> Result<Listed, CliError> {
    let info = run.info().clone();
    let damage = run.damage().map(str::to_owned);
    warn_of_damage(&run);
    match Snapshot::of(run.clone()) {
        Ok(snapshot) => {
            let mut json = snapshot.short_json();
            json["damaged"] = json!(damage);
            let Snapshot { run, status, view, notes } = &snapshot;
            Ok(Listed { row: row_of(run, view, status.state, snapshot.queue_place(), notes), json })
        }
        Err(CliError::ReaderGone) => Err(CliError::ReaderGone),
        Err(CliError::Told { report, .. }) => {
            say(format!("run {}: {report}", info.id));
            let reason = report.to_string();
            let json = json!({"id": info.id, "name": info.name, "error": reason, "damaged": reason});
            Ok(Listed { row: unreadable_row(&run, reason), json })
        }
    }
}

/// Sorts as the screen does: newest first among equals.
fn sorted(listed: &mut [Listed], key: Key, rising: Option<bool>) {
    listed.reverse();
    let order = Order { key, reversed: false };
    listed.sort_by(|a, b| order.compare(&a.row, &b.row));
    if let Some(rising) = rising
        && order.rises(listed.iter().map(|one| &one.row)) != rising
    {
        let order = Order { reversed: true, ..order };
        listed.sort_by(|a, b| order.compare(&a.row, &b.row));
    }
}

fn write_text(listed: &[Listed], mut columns: Vec<Shown>, out: &mut impl Write) -> Result<u8, CliError> {
    let zone = zone();
    if columns.is_empty() {
        columns = USUAL.to_vec();
        let is_tagged = listed.iter().any(|one| one.row.notes.star || !one.row.notes.tags.is_empty());
        columns.retain(|column| *column != TAGS || is_tagged);
    }
    let mut rows = vec![columns.iter().map(|column| column.title().to_owned()).collect::<Vec<_>>()];
    rows.extend(listed.iter().map(|one| columns.iter().map(|column| column.text(&one.row, &zone)).collect()));
    if rows.len() > 1 {
        if let (Some(name), true) = (columns.iter().position(|column| *column == Shown::Name), stdout().is_terminal()) {
            let terminal = crossterm::terminal::size().map_or(usize::MAX, |(columns, _)| usize::from(columns));
            fit(&mut rows, name, terminal);
        }
        table(out, &rows)?;
    }
    Ok(0)
}

/// Cuts the cells of a column so that the rows fit a terminal, as far as they may be cut.
fn fit(rows: &mut [Vec<String>], column: usize, terminal: usize) {
    /// What is left of a name at least.
    const LEAST: usize = 12;
    let widest = |at: usize| rows.iter().map(|row| width(&row[at])).max().unwrap_or(0);
    let columns = rows.first().map_or(0, Vec::len);
    let others: usize = (0..columns).filter(|at| *at != column).map(|at| widest(at) + 2).sum();
    let room = terminal.saturating_sub(others).max(LEAST);
    for row in rows {
        row[column] = cut(&row[column], room, "~");
    }
}

impl Shown {
    fn title(self) -> &'static str {
        match self {
            Shown::Name => "name",
            Shown::Of(column) => column.title(),
        }
    }

    fn text(self, row: &RunRow, zone: &TimeZone) -> String {
        let text = match self {
            Shown::Name => row.name.clone(),
            Shown::Of(Column::Progress) if row.place.is_some() => {
                format!("{} in the queue", Column::Progress.text(row, zone))
            }
            Shown::Of(Column::Left) if row.left.is_some_and(|left| left.at_least) => {
                format!("> {}", Column::Left.text(row, zone))
            }
            TAGS => {
                let star = row.notes.star.then_some("*");
                star.into_iter().chain(row.notes.tags.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
            }
            Shown::Of(column) => column.text(row, zone),
        };
        printable(&text)
    }
}

/// A word of the command line as a title: `best-loss` is `best loss`.
fn title_of(said: &str) -> String {
    said.trim().to_lowercase().replace(['-', '_'], " ")
}

fn shown_of(said: &str) -> Result<Shown, CliError> {
    match title_of(said).as_str() {
        "name" => Ok(Shown::Name),
        title => Column::of(title).map(Shown::Of).ok_or_else(|| no_column("--columns", said, &["name"])),
    }
}

fn sort_of(said: &str) -> Result<(Key, Option<bool>), CliError> {
    let (title, rising) = match said.rsplit_once(':') {
        Some((title, "asc")) => (title, Some(true)),
        Some((title, "desc")) => (title, Some(false)),
        Some((_, other)) => {
            let message = format!("--sort {}: after the colon comes asc or desc, not {}", quoted(said), quoted(other));
            return Err(CliError::new(2, message, None));
        }
        None => (said, None),
    };
    let key = Key::of(&title_of(title)).ok_or_else(|| no_column("--sort", title, &["name", "star"]))?;
    Ok((key, rising))
}

/// No run can have a word of the filter.
fn no_such_word(word: &str, known: &[&str]) -> CliError {
    let (field, part) = word.split_once(':').unwrap_or_default();
    let advice = match nearest(part, known.iter().copied()) {
        Some(near) => format!("did you mean {field}:{near}?"),
        None => format!("one of {}", known.join(", ")),
    };
    CliError::new(2, format!("--filter: there is no {} {}", field.trim_start_matches('-'), quoted(part)), Some(advice))
}

/// No column is called so; `beside`: what is allowed beside them.
fn no_column(option: &str, said: &str, beside: &[&'static str]) -> CliError {
    let titles: Vec<&str> = beside.iter().copied().chain(Column::ALL.map(Column::title)).collect();
    let word = |title: &str| title.replace(' ', "-");
    let advice = match nearest(&title_of(said), titles.iter().copied()) {
        Some(near) => format!("did you mean {}?", word(near)),
        None => format!("one of {}", titles.iter().map(|title| word(title)).collect::<Vec<_>>().join(", ")),
    };
    CliError::new(2, format!("{option}: there is no column {}", quoted(said)), Some(advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_said_with_dashes_or_blanks_and_the_help_names_all() {
        for column in Column::ALL {
            let word = column.title().replace(' ', "-");
            assert!(shown_of(&word).is_ok_and(|shown| shown == Shown::Of(column)));
            assert!(AFTER_HELP.replace('\n', " ").contains(&word), "{word}");
        }
        assert!(shown_of("Best loss").is_ok_and(|shown| shown == Shown::Of(Column::Best)));
    }

    #[test]
    fn an_order_is_a_column_and_a_direction() {
        let said = |text: &str| sort_of(text).ok();
        assert_eq!(said("score"), Some((Key::Column(Column::Score), None)));
        assert_eq!(said("mean-rank:desc"), Some((Key::Column(Column::Rank), Some(false))));
        assert_eq!(said("name:asc"), Some((Key::Name, Some(true))));
        let error = |text: &str| {
            let Err(CliError::Told { code, report }) = sort_of(text) else { panic!("{text}") };
            assert_eq!(code, 2);
            format!("{report} {}", report.help().map_or(String::new(), |help| help.to_string()))
        };
        assert!(error("scor").contains("did you mean score?"));
        assert!(error("score:down").contains("asc or desc"));
        assert!(error("zzz").contains("one of name, star, state"));
    }
}
