//! Why a file of the hub is not to be had, and what to do.

use crate::data::error::shown;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoKind {
    Model,
    Dataset,
}

impl RepoKind {
    /// The setting that names such a repository.
    fn setting(self) -> &'static str {
        match self {
            RepoKind::Model => "model.id",
            RepoKind::Dataset => "data.id",
        }
    }

    /// What a user who has the files can do without the hub.
    fn local(self) -> &'static str {
        match self {
            RepoKind::Model => "download the model elsewhere and give its folder as model.id",
            RepoKind::Dataset => "download the files elsewhere and give them as data.train and data.test",
        }
    }
}

impl fmt::Display for RepoKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RepoKind::Model => "model",
            RepoKind::Dataset => "dataset",
        })
    }
}

/// What was asked for: part of every error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub endpoint: String,
    pub kind: RepoKind,
    pub id: String,
    pub revision: String,
    /// Empty where the question is for the list of files.
    pub file: String,
}

impl Asked {
    /// The repository's page for people.
    fn page(&self) -> String {
        let Asked { endpoint, kind, id, .. } = self;
        match kind {
            RepoKind::Model => format!("{endpoint}/{id}"),
            RepoKind::Dataset => format!("{endpoint}/datasets/{id}"),
        }
    }

    /// The file and its repository, or the repository.
    fn what(&self) -> String {
        if self.file.is_empty() {
            format!("{} {}", self.kind, self.id)
        } else {
            format!("{} of {}", self.file, self.id)
        }
    }
}

/// What is missing, as far as the hub says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Repo,
    Revision,
    File,
    /// The hub says 404 and no more.
    Unsaid,
}

#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error("{}", not_found(.asked, *.missing))]
    NotFound { asked: Box<Asked>, missing: Missing },
    #[error(
        "{} does not show {}: there is no such {}, or it is private or gated; check the name{}", .asked.endpoint, .asked.id,
        .asked.kind,
        if *.token { ", and whether your token may read it" } else { "; for a private or gated one set HF_TOKEN" }
    )]
    Unauthorised { asked: Box<Asked>, token: bool },
    #[error(
        "{} is gated: accept its terms at {}, {}", .asked.id, .asked.page(),
        if *.token {
            "with the account of your token (a fine-grained token must also be allowed to read gated repositories)"
        } else {
            "then set HF_TOKEN to a token of that account"
        }
    )]
    Gated { asked: Box<Asked>, token: bool },
    #[error("{} forbids to read {}{}; check what your token may do", .asked.endpoint, .asked.what(), said(.message))]
    Forbidden { asked: Box<Asked>, message: String },
    #[error(
        "{} takes no more requests for now (429){}; start the run again then{}", .asked.endpoint,
        .wait.map_or(String::new(), |seconds| format!(", but again in {seconds} s")),
        if *.token { "" } else { ", or set HF_TOKEN: with a token it takes more" }
    )]
    RateLimited { asked: Box<Asked>, wait: Option<u64>, token: bool },
    #[error("{} answered {code} for {}{}; try again later", .asked.endpoint, .asked.what(), said(.message))]
    Status { asked: Box<Asked>, code: u16, message: String },
    #[error("no answer from {}: {cause}; check the network and HF_ENDPOINT, or {}", .asked.endpoint, .asked.kind.local())]
    Network { asked: Box<Asked>, cause: String },
    #[error("the download of {} was interrupted; it goes on from there the next time", .asked.what())]
    Interrupted { asked: Box<Asked> },
    #[error(
        "the download of {} broke off {tries} times at {done} bytes: {cause}; start the run again: it goes on from there",
        .asked.what()
    )]
    BrokenOff { asked: Box<Asked>, tries: usize, done: u64, cause: String },
    #[error(
        "HF_HUB_OFFLINE is set and the cache {} has no {} at revision {}; unset it once with a network, or {}",
        cache.display(), .asked.what(), .asked.revision, .asked.kind.local()
    )]
    Offline { asked: Box<Asked>, cache: PathBuf },
    #[error(
        "no room on the disk of the cache {}: {} lacks {} MB there; make room (`hf cache prune`), or set HF_HUB_CACHE to a \
         folder on another disk; what is there is kept, and the download goes on from it",
        cache.display(), .asked.what(), .missing.div_ceil(1_000_000)
    )]
    DiskFull { asked: Box<Asked>, cache: PathBuf, missing: u64 },
    #[error("cannot write to the cache {}: {source}; make it writable, or set HF_HUB_CACHE to another folder", cache.display())]
    Disk { cache: PathBuf, source: io::Error },
    #[error("what {} sends as {} is not what it announced ({cause}), also when asked again", .asked.endpoint, .asked.what())]
    Corrupt { asked: Box<Asked>, cause: String },
    #[error(
        "{} is being downloaded by another program, which makes no progress ({} is locked); end it, or try again later",
        .asked.what(), lock.display()
    )]
    Locked { asked: Box<Asked>, lock: PathBuf },
    #[error("{} does not answer as a Hugging Face hub: {cause}; check HF_ENDPOINT", .asked.endpoint)]
    Protocol { asked: Box<Asked>, cause: String },
}

impl HubError {
    /// Whether the file is not there, as far as can be told, while others may be.
    pub fn is_absent(&self) -> bool {
        let absent = |missing: &Missing| matches!(missing, Missing::File | Missing::Unsaid);
        match self {
            HubError::NotFound { missing, .. } => absent(missing),
            HubError::Offline { .. } => true,
            _ => false,
        }
    }

    /// Whether the revision is not there or cannot be asked for, while the cache or another revision may do.
    pub(crate) fn is_absent_revision(&self) -> bool {
        let absent = |missing: &Missing| matches!(missing, Missing::Revision | Missing::Unsaid);
        match self {
            HubError::NotFound { missing, .. } => absent(missing),
            HubError::Offline { .. } | HubError::Network { .. } => true,
            _ => false,
        }
    }
}

fn not_found(asked: &Asked, missing: Missing) -> String {
    let Asked { endpoint, kind, id, revision, file } = asked;
    let page = asked.page();
    match missing {
        Missing::Repo => {
            format!("{endpoint} has no {kind} {id}; check {} (owner/name, as on its page)", kind.setting())
        }
        Missing::Revision => format!("the {kind} {id} has no revision {revision}; look at {page}/tree/main"),
        Missing::Unsaid if file.is_empty() => {
            format!("{endpoint} has no {kind} {id} with a revision {revision}; look at {page}")
        }
        Missing::File | Missing::Unsaid => {
            let or = if missing == Missing::File { "" } else { ": no such repository, revision or file" };
            format!("{endpoint} has no {file} at revision {revision} of {id}{or}; look at {page}/tree/{revision}")
        }
    }
}

/// What the hub says in a header, for people.
fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" ({})", shown(message)) }
}
