//! Where AutoLoRA keeps its things: runs, saved presets, state.

use std::ffi::OsString;
use std::path::PathBuf;

/// No folder can be named: neither `AUTOLORA_HOME`, `XDG_DATA_HOME` nor `HOME` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no place to keep runs and presets: none of AUTOLORA_HOME, XDG_DATA_HOME and HOME is set to a folder")]
pub struct NoHome;

/// The folder of AutoLoRA: `AUTOLORA_HOME`, else `XDG_DATA_HOME/autolora`, else `~/.local/share/autolora`.
///
/// The folder need not exist; who writes into it makes it.
///
/// # Errors
/// [`NoHome`] where the environment names none of the three.
pub fn home() -> Result<PathBuf, NoHome> {
    home_in(|name| std::env::var_os(name))
}

/// The folder of token ids, `home()/cache/tokens`: it may be removed whenever no run is at work.
///
/// # Errors
/// [`NoHome`], as [`home`].
pub fn tokens_folder() -> Result<PathBuf, NoHome> {
    home().map(|home| home.join("cache").join("tokens"))
}

/// The folder of saved presets, `home()/presets`.
///
/// # Errors
/// [`NoHome`], as [`home`].
pub fn presets_folder() -> Result<PathBuf, NoHome> {
    home().map(|home| home.join("presets"))
}

/// [`home`] over any environment, for tests. Empty variables count as unset, and so does a relative
/// `XDG_DATA_HOME`, as its specification demands; a relative `AUTOLORA_HOME` is taken from the working directory.
fn home_in(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, NoHome> {
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(home) = folder("AUTOLORA_HOME") {
        // A worker may run in another directory, so the path that it inherits must mean the same there.
        return Ok(std::path::absolute(&home).unwrap_or(home));
    }
    folder("XDG_DATA_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| folder("HOME").map(|home| home.join(".local").join("share")))
        .map(|data| data.join("autolora"))
        .ok_or(NoHome)
}

/// `~` and `~/...` with the user's home folder in place of `~`; any other path, and any where `HOME` is unset, as it is.
pub fn expand_tilde(path: &str) -> PathBuf {
    let rest = match path.strip_prefix('~') {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix('/'),
        None => None,
    };
    match (rest, std::env::var_os("HOME").filter(|home| !home.is_empty())) {
        (Some(""), Some(home)) => PathBuf::from(home),
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with(pairs: &[(&str, &str)]) -> Result<PathBuf, NoHome> {
        home_in(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)))
    }

    #[test]
    fn the_own_variable_wins_then_xdg_then_home() {
        let all = [("AUTOLORA_HOME", "/a"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(home_with(&all), Ok("/a".into()));
        assert_eq!(home_with(&all[1..]), Ok("/x/autolora".into()));
        assert_eq!(home_with(&all[2..]), Ok("/h/.local/share/autolora".into()));
        assert_eq!(home_with(&[]), Err(NoHome));
    }

    #[test]
    fn empty_and_relative_variables_are_unset() {
        let pairs = [("AUTOLORA_HOME", ""), ("XDG_DATA_HOME", "rel"), ("HOME", "/h")];
        assert_eq!(home_with(&pairs), Ok("/h/.local/share/autolora".into()));
    }

    #[test]
    fn a_relative_own_home_becomes_absolute() {
        assert!(home_with(&[("AUTOLORA_HOME", "here")]).is_ok_and(|home| home.is_absolute() && home.ends_with("here")));
    }

    #[test]
    fn only_a_leading_tilde_is_expanded() {
        let home = PathBuf::from(std::env::var_os("HOME").expect("tests run with HOME"));
        assert_eq!(expand_tilde("~"), home);
        assert_eq!(expand_tilde("~/data/x.tsv"), home.join("data/x.tsv"));
        assert_eq!(expand_tilde("~other/x"), PathBuf::from("~other/x"));
        assert_eq!(expand_tilde("a/~/b"), PathBuf::from("a/~/b"));
    }
}
