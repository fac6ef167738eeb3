//! `autolora models`

use super::CliError;
use super::out::{Json, table};
use crate::data::hub::{Hub, RepoKind};
use crate::experiment::encoders::{ENCODERS, Encoder};
use crate::experiment::problem::printable;
use clap::Args;
use serde_json::json;
use std::io::Write;

/// List models to start from, and those that the hub's cache has
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ModelsArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let cached = Hub::from_env().cached(RepoKind::Model);
    let others: Vec<&String> = cached.iter().filter(|id| !ENCODERS.iter().any(|known| known.id == **id)).collect();
    let is_here = |id: &str| cached.iter().any(|known| known == id) || id.starts_with("builtin:");
    if args.json {
        for Encoder { id, family, parameters, about } in ENCODERS {
            let parameters = (parameters * 1e6) as u64;
            let line =
                json!({"id": id, "family": family, "parameters": parameters, "about": about, "cached": is_here(id)});
            writeln!(out, "{}", Json(line))?;
        }
        for id in others {
            writeln!(
                out,
                "{}",
                Json(json!({"id": id, "family": null, "parameters": null, "about": "", "cached": true}))
            )?;
        }
        return Ok(0);
    }
    let mut rows = vec![["id", "family", "size", "here", ""].map(String::from).to_vec()];
    let here = |id: &str| if is_here(id) { "yes" } else { "" }.to_owned();
    for encoder in ENCODERS {
        let size = format!("{} M", encoder.parameters);
        rows.push(vec![encoder.id.into(), encoder.family.into(), size, here(encoder.id), encoder.about.into()]);
    }
    for id in others {
        rows.push(vec![printable(id), String::new(), String::new(), "yes".into(), "in the hub's cache".into()]);
    }
    table(out, &rows)?;
    Ok(0)
}
