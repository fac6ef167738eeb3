//! `autolora doctor`: what a run needs of this machine.

use super::CliError;
use super::out::{bytes, table};
use crate::experiment::{Config, ConfigError};
use crate::run::store::Store;
use crate::run::{device, numerics};
use crate::tui::look::Look;
use crate::tui::palette::Depth;
use candle_core::Device;
use clap::Args;
use std::env::{var, var_os};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Look at device, CUDA, cache, token, disk and terminal, and whether the device computes right
#[derive(Debug, Args)]
pub struct DoctorArgs {}

struct Finding {
    what: &'static str,
    text: String,
    good: bool,
}

pub fn run(_: &DoctorArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let store = Store::of_user()?;
    let mut findings = vec![runs(&store), disk(store.root()), cuda()];
    findings.extend(computing());
    findings.extend([cache(), token(), terminal(), config()]);
    let head = ["", "what", "found"].map(String::from).to_vec();
    let rows = findings.iter().map(|finding| {
        let mark = if finding.good { "ok" } else { "BAD" };
        vec![mark.to_string(), finding.what.to_string(), finding.text.clone()]
    });
    table(out, &std::iter::once(head).chain(rows).collect::<Vec<_>>())?;
    Ok(if findings.iter().all(|finding| finding.good) { 0 } else { 1 })
}

fn good(what: &'static str, text: impl Into<String>) -> Finding {
    Finding { what, text: text.into(), good: true }
}

fn bad(what: &'static str, text: impl Into<String>) -> Finding {
    Finding { what, text: text.into(), good: false }
}

fn runs(store: &Store) -> Finding {
    let probe = store.root().join(format!(".doctor-{}", std::process::id()));
    let folder = store.root().display();
    match std::fs::create_dir_all(&probe).and_then(|()| std::fs::remove_dir(&probe)) {
        Ok(()) => good("runs", folder.to_string()),
        Err(error) => bad("runs", format!("{folder}: {error}; AUTOLORA_HOME moves it")),
    }
}

fn disk(folder: &Path) -> Finding {
    // The folder may be there no sooner than the first run.
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
    match rustix::fs::statvfs(there) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let text = format!("{} free", bytes(free));
            if free < 100 << 20 { bad("disk", text + ", too little for checkpoints") } else { good("disk", text) }
        }
        Err(error) => bad("disk", format!("{}: {error}", there.display())),
    }
}

fn cuda() -> Finding {
    if !cfg!(feature = "cuda") {
        return good("CUDA", "not compiled in (cargo build --release --features cuda)");
    }
    match device::open("cuda:0") {
        Ok(_) => good("CUDA", "cuda:0 opens"),
        Err(error) => bad("CUDA", error.to_string()),
    }
}

/// What the device that `auto` means computes: operations, the mixed term, two equal steps.
fn computing() -> Vec<Finding> {
    let device = match device::open("auto") {
        Ok(device) => device,
        Err(error) => return vec![bad("device", error.to_string())],
    };
    let name = device::name(&device);
    let threads = if device.is_cpu() { format!(", {} threads", rayon::current_num_threads()) } else { String::new() };
    vec![good("device", name + &threads), operations(&device), mixed(&device), determinism(&device)]
}

fn operations(device: &Device) -> Finding {
    let what = "operations";
    match numerics::operations(device) {
        Ok(errors) => judged(what, &format!("{} forward and back, against f64 on the CPU", errors.len()), &errors),
        Err(error) => bad(what, error.to_string()),
    }
}

fn mixed(device: &Device) -> Finding {
    let what = "mixed term";
    match numerics::mixed_terms(device) {
        Ok(errors) => judged(what, "f32 against f64, bf16 against f32", &errors),
        Err(error) => bad(what, error.to_string()),
    }
}

/// All errors, or those that are too large.
fn judged(what: &'static str, how: &str, errors: &[numerics::Error]) -> Finding {
    let said = |error: &&numerics::Error| format!("{} {:.1e}", error.what, error.size);
    let wrong: Vec<_> = errors.iter().filter(|error| !error.is_allowed()).collect();
    if wrong.is_empty() {
        let worst = match errors {
            few if few.len() < 3 => few.iter().map(|error| said(&error)).collect::<Vec<_>>().join(", "),
            many => many.iter().max_by(|a, b| a.size.total_cmp(&b.size)).as_ref().map(said).unwrap_or_default(),
        };
        return good(what, format!("{how}: right to {worst}"));
    }
    let wrong = wrong.iter().map(|error| format!("{} (at most {:.0e})", said(error), error.allowed));
    bad(what, format!("{how}: WRONG by {}", wrong.collect::<Vec<_>>().join(", ")))
}

fn determinism(device: &Device) -> Finding {
    let what = "determinism";
    match numerics::differing(device) {
        Ok((0, of)) => good(what, format!("two equal search steps give the same {of} numbers to the bit")),
        Ok((differ, of)) => bad(what, format!("two equal search steps differ in {differ} of {of} numbers")),
        Err(error) => bad(what, error.to_string()),
    }
}

fn hugging_face_home() -> Option<PathBuf> {
    let cache = || Some(PathBuf::from(var_os("HOME")?).join(".cache"));
    var_os("HF_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(cache)?.join("huggingface")))
}

fn cache() -> Finding {
    let folder = var_os("HF_HUB_CACHE").map(PathBuf::from).or_else(|| Some(hugging_face_home()?.join("hub")));
    let offline = if var_os("HF_HUB_OFFLINE").is_some_and(|v| v == "1") { ", offline" } else { "" };
    match folder {
        Some(folder) if folder.is_dir() => good("cache", format!("{}{offline}", folder.display())),
        Some(folder) => good("cache", format!("{}, not there yet{offline}", folder.display())),
        None => bad("cache", "none of HF_HUB_CACHE, HF_HOME and HOME is set"),
    }
}

/// Whether there is one; never what it is.
fn token() -> Finding {
    let file = var_os("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| Some(hugging_face_home()?.join("token")));
    if var_os("HF_TOKEN").is_some_and(|token| !token.is_empty()) {
        good("token", "present, in HF_TOKEN")
    } else if file.is_some_and(|file| file.is_file()) {
        good("token", "present, in a file")
    } else {
        good("token", "absent: open models only")
    }
}

fn terminal() -> Finding {
    if !io::stdout().is_terminal() {
        return good("terminal", "none here");
    }
    let (columns, rows) = crossterm::terminal::size().unwrap_or_default();
    let term = var("TERM").unwrap_or_else(|_| "unset".into());
    let look = Look::from_env(|name| var(name).ok());
    let glyphs = if look.unicode { "Unicode" } else { "ASCII" };
    let colours = match look.depth {
        Depth::None => "no colour",
        Depth::Sixteen => "16 colours",
        Depth::Many => "256 colours",
        Depth::True => "24-bit colour",
    };
    let text = format!("TERM={term}, {columns}x{rows}, {glyphs}, {colours}");
    if columns == 0 || (columns >= 80 && rows >= 24) {
        good("terminal", text)
    } else {
        bad("terminal", text + ": smaller than 80x24")
    }
}

fn config() -> Finding {
    match Config::of_user() {
        Ok(_) => good("config", "config.toml is as it should be, or not there"),
        Err(ConfigError::Problems(problems)) => {
            let all: Vec<String> = problems.list().iter().map(ToString::to_string).collect();
            bad("config", format!("{problems}: {}", all.join("; ")))
        }
        Err(error) => bad("config", error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_that_is_too_large_is_named_and_else_the_worst() {
        let error = |what: &str, size| numerics::Error { what: what.to_owned(), size, allowed: 1e-4 };
        let all = [error("gate", 1e-6), error("attention", 3e-5), error("dropout", 0.0)];
        let finding = judged("operations", "3 of them", &all);
        assert_eq!((finding.good, finding.text.as_str()), (true, "3 of them: right to attention 3.0e-5"));
        let all = [error("gate", 1e-6), error("attention", f64::NAN), error("dropout", 2e-3)];
        let finding = judged("operations", "3 of them", &all);
        let said = "3 of them: WRONG by attention NaN (at most 1e-4), dropout 2.0e-3 (at most 1e-4)";
        assert_eq!((finding.good, finding.text.as_str()), (false, said));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_bad() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("runs"), "").unwrap();
        assert!(!runs(&Store::new(home.path())).good);
        assert!(runs(&Store::new(&home.path().join("fresh"))).good);
    }
}
