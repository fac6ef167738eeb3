//! `autolora doctor`: what a run needs of this machine.

use super::CliError;
use super::out::{bytes, table};
use crate::experiment::{Config, ConfigError};
use crate::run::device;
use crate::run::store::Store;
use crate::tui::look::Look;
use crate::tui::palette::Depth;
use candle_core::{DType, Device, Tensor};
use clap::Args;
use std::env::{var, var_os};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Look at device, CUDA, cache, token, disk and terminal
#[derive(Debug, Args)]
pub struct DoctorArgs {}

/// Rounding errors of a 64-wide product in f32 stay far below this.
const TOLERANCE: f64 = 1e-4;

struct Finding {
    what: &'static str,
    text: String,
    good: bool,
}

pub fn run(_: &DoctorArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let store = Store::of_user()?;
    let findings = [runs(&store), disk(store.root()), cuda(), numerics(), cache(), token(), terminal(), config()];
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

/// A matrix product on the device that `auto` means, against the same in f64 on the CPU.
fn numerics() -> Finding {
    let error = device::open("auto").map_err(|e| e.to_string()).and_then(|device| {
        let error = product_error(&device).map_err(|e| e.to_string())?;
        Ok((device::name(&device), error))
    });
    match error {
        Ok((name, error)) if error < TOLERANCE => good(
            "device",
            format!("{name}, {} threads; products are right to {error:.1e}", rayon::current_num_threads()),
        ),
        Ok((name, error)) => bad("device", format!("{name}: products are wrong by {error:.1e}")),
        Err(error) => bad("device", error),
    }
}

fn product_error(device: &Device) -> candle_core::Result<f64> {
    let matrix = |shift: f64| -> candle_core::Result<Tensor> {
        (Tensor::arange(0f64, 4096., &Device::Cpu)? * 0.7)?.affine(1.0, shift)?.sin()?.reshape((64, 64))
    };
    let (a, b) = (matrix(0.0)?, matrix(1.0)?);
    let there = |m: &Tensor| m.to_dtype(DType::F32)?.to_device(device);
    let product = there(&a)?.matmul(&there(&b)?)?.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    (product - a.matmul(&b)?)?.abs()?.max_all()?.to_scalar()
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
    fn products_on_the_cpu_are_right_but_not_to_the_last_bit_of_f64() {
        let error = product_error(&Device::Cpu).unwrap();
        assert!(error > 0.0 && error < TOLERANCE, "{error}");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_bad() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("runs"), "").unwrap();
        assert!(!runs(&Store::new(home.path())).good);
        assert!(runs(&Store::new(&home.path().join("fresh"))).good);
    }
}
