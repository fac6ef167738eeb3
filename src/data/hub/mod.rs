//! Files of the Hugging Face hub, models and datasets, through its cache, which is shared with the Python libraries.
//!
//! A [`Snapshot`] is one commit of a repository, so that all its files fit together even while the branch moves. The transport
//! is our own: hf-hub's has no time limits, and glues a resumed file wrongly where the server ignores the range.

mod client;
mod download;
mod error;
mod sizes;

pub use error::{Asked, HubError, Missing, RepoKind};
pub use sizes::Sized;

use crate::experiment::atomic::write_atomic;
use client::{Client, Question, encoded};
use download::Metadata;
use hf_hub::{Cache, Repo, RepoType};
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

/// Where to fetch from and where to keep it.
#[derive(Clone, PartialEq, Eq)]
pub struct Hub {
    /// `HF_ENDPOINT`, without a slash at the end.
    pub endpoint: String,
    /// `HF_HUB_CACHE`, else `HF_HOME`/hub, else `~/.cache/huggingface/hub`.
    pub cache: PathBuf,
    /// `HF_TOKEN`, else the file that `hf auth login` writes.
    pub token: Option<String>,
    /// `HF_HUB_OFFLINE`: only what the cache has.
    pub offline: bool,
}

impl Hub {
    /// As the environment says; variables mean what they mean to Hugging Face's own libraries. An empty one is unset.
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// As these variables say.
    pub fn from_vars(variable: impl Fn(&str) -> Option<String>) -> Self {
        let said = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let yes = |name: &str| {
            let yes = ["1", "on", "yes", "true"];
            said(name).is_some_and(|value| yes.contains(&value.trim().to_ascii_lowercase().as_str()))
        };
        let path = |text: String| match (text.strip_prefix("~/"), std::env::home_dir()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(text),
        };
        let home = said("HF_HOME").map(path).unwrap_or_else(|| {
            let cache = said("XDG_CACHE_HOME").map(path);
            cache.unwrap_or_else(|| std::env::home_dir().unwrap_or_default().join(".cache")).join("huggingface")
        });
        let token_file = said("HF_TOKEN_PATH").map_or_else(|| home.join("token"), path);
        let file = || std::fs::read_to_string(token_file).ok().filter(|_| !yes("HF_HUB_DISABLE_IMPLICIT_TOKEN"));
        let token = said("HF_TOKEN").or_else(|| said("HUGGING_FACE_HUB_TOKEN")).or_else(file);
        let cache = said("HF_HUB_CACHE").or_else(|| said("HUGGINGFACE_HUB_CACHE"));
        Self {
            endpoint: said("HF_ENDPOINT").unwrap_or("https://huggingface.co".into()).trim_end_matches('/').to_owned(),
            cache: cache.map_or_else(|| home.join("hub"), path),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            offline: yes("HF_HUB_OFFLINE") || yes("TRANSFORMERS_OFFLINE"),
        }
    }

    /// The commit that `revision` (default `main`) of the model `id` is at. `probe` is a file that it must have.
    ///
    /// A revision that is a commit, and offline, need no network. Where the hub cannot be reached, the commit that the cache
    /// knows is taken.
    pub fn snapshot(&self, id: &str, revision: Option<&str>, probe: &str) -> Result<Snapshot, HubError> {
        let mut snapshot = self.unresolved(RepoKind::Model, id, revision);
        if is_commit(&snapshot.revision) {
            return Ok(snapshot);
        }
        let asked = snapshot.asked(probe);
        snapshot.commit = snapshot.known_or(&asked, |client| {
            let response = client.ask(&snapshot.url(probe), Question::Head, &asked)?;
            let commit = Metadata::of(&response, &asked)?.commit.filter(|commit| is_commit(commit));
            commit.ok_or_else(|| HubError::Protocol {
                asked: Box::new(asked.clone()),
                cause: "the answer has no X-Repo-Commit".into(),
            })
        })?;
        Ok(snapshot)
    }

    /// The commit that `revision` (default `main`) of the dataset `id` is at, and the files that it has: those of the hub, or
    /// those that the cache has where the hub is not to be asked or cannot be reached.
    pub fn dataset(&self, id: &str, revision: Option<&str>) -> Result<(Snapshot, Vec<String>), HubError> {
        let mut snapshot = self.unresolved(RepoKind::Dataset, id, revision);
        let asked = snapshot.asked("");
        let mut files = None;
        let commit = snapshot.known_or(&asked, |client| {
            let (commit, listed) = snapshot.list(client, &asked)?;
            files = Some(listed);
            Ok(commit)
        });
        snapshot.commit = match commit {
            // A commit never moves; the hub's converted branches even lose old ones, which the cache may still have.
            Err(error) if is_commit(&snapshot.revision) && error.is_absent_revision() => {
                files = Some(snapshot.cached_files()).filter(|files| !files.is_empty());
                if files.is_none() {
                    return Err(error);
                }
                snapshot.revision.clone()
            }
            commit => commit?,
        };
        let files = files.unwrap_or_else(|| snapshot.cached_files());
        if files.is_empty() {
            let (asked, cache) = (Box::new(asked), self.cache.clone());
            return Err(match self.offline {
                true => HubError::Offline { asked, cache },
                false => HubError::Protocol { asked, cause: "it lists no file that is inside the repository".into() },
            });
        }
        Ok((snapshot, files))
    }

    fn unresolved(&self, kind: RepoKind, id: &str, revision: Option<&str>) -> Snapshot {
        let revision = revision.unwrap_or("main").to_owned();
        let client = (!self.offline).then(|| Client::new(&self.endpoint, self.token.as_deref()));
        Snapshot { hub: self.clone(), kind, id: id.to_owned(), commit: revision.clone(), revision, client }
    }

    /// Repositories of a kind that the cache has files of, by id.
    pub fn cached(&self, kind: RepoKind) -> Vec<String> {
        let prefix = Repo::new(String::new(), repo_type(kind)).folder_name();
        let folders = std::fs::read_dir(&self.cache).into_iter().flatten().flatten();
        let names = folders.filter_map(|folder| folder.file_name().into_string().ok());
        let mut ids: Vec<String> = names
            .filter(|name| self.cache.join(name).join("snapshots").is_dir())
            .filter_map(|name| Some(name.strip_prefix(&prefix)?.replacen("--", "/", 1)))
            .collect();
        ids.sort_unstable();
        ids
    }
}

/// A token must not be printed, not even by a debugging line.
impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "(hidden)");
        let Self { endpoint, cache, offline, .. } = self;
        write!(f, "Hub {{ endpoint: {endpoint:?}, cache: {cache:?}, token: {token:?}, offline: {offline} }}")
    }
}

/// Told how far a download is; `Break` ends it with [`HubError::Interrupted`], and what is there so far stays.
pub type Watch<'a> = dyn FnMut(Download) -> ControlFlow<()> + 'a;

/// A [`Watch`] that looks away.
pub fn unwatched(_: Download) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Download<'a> {
    pub file: &'a str,
    /// Bytes on disk, and of the whole file.
    pub done: u64,
    pub total: u64,
}

/// One commit of a repository.
#[derive(Debug)]
pub struct Snapshot {
    hub: Hub,
    kind: RepoKind,
    id: String,
    revision: String,
    commit: String,
    /// `None` offline.
    client: Option<Client>,
}

impl Snapshot {
    /// The commit, 40 hexadecimal digits.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The revision that was asked for: a branch, a tag or a commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// A file of the snapshot: from the cache, else fetched. [`HubError::is_absent`] says that there is none.
    pub fn file(&self, name: &str, progress: &mut Watch) -> Result<PathBuf, HubError> {
        if !is_inside(name) {
            let cause = format!("{} is no file of a repository", crate::data::error::shown(name));
            return Err(HubError::Protocol { asked: Box::new(self.asked("")), cause });
        }
        let cached = self.folder().join("snapshots").join(&self.commit).join(name);
        if cached.is_file() {
            return Ok(cached);
        }
        download::fetch(self, name, progress)
    }

    /// Notes that the cache holds this commit as the revision's, for use offline. Call it when all files are there.
    pub fn keep(&self) -> Result<(), HubError> {
        if self.revision == self.commit {
            return Ok(());
        }
        let reference = self.folder().join("refs").join(&self.revision);
        if std::fs::read_to_string(&reference).is_ok_and(|commit| commit == self.commit) {
            return Ok(());
        }
        write_atomic(&reference, self.commit.as_bytes())
            .map_err(|source| HubError::Disk { cache: self.hub.cache.clone(), source })
    }

    fn repo(&self) -> Repo {
        Repo::with_revision(self.id.clone(), repo_type(self.kind), self.commit.clone())
    }

    /// The repository's folder in the cache.
    fn folder(&self) -> PathBuf {
        Cache::new(self.hub.cache.clone()).path().join(self.repo().folder_name())
    }

    /// Where the hub has a file.
    fn url(&self, name: &str) -> String {
        let repo = self.repo();
        format!("{}/{}/resolve/{}/{}", self.hub.endpoint, repo.url(), revision_path(&self.commit), encoded(name))
    }

    fn asked(&self, file: &str) -> Asked {
        Asked {
            endpoint: self.hub.endpoint.clone(),
            kind: self.kind,
            id: self.id.clone(),
            revision: self.revision.clone(),
            file: file.to_owned(),
        }
    }

    fn client(&self, asked: &Asked) -> Result<&Client, HubError> {
        let offline = || HubError::Offline { asked: Box::new(asked.clone()), cache: self.hub.cache.clone() };
        self.client.as_ref().ok_or_else(offline)
    }

    /// The commit that the hub says; without a network the one that the cache knows.
    fn known_or(
        &self,
        asked: &Asked,
        ask: impl FnOnce(&Client) -> Result<String, HubError>,
    ) -> Result<String, HubError> {
        let known = || {
            let reference = self.folder().join("refs").join(&self.revision);
            std::fs::read_to_string(reference).ok().map(|commit| commit.trim().to_owned()).filter(|c| is_commit(c))
        };
        let Some(client) = &self.client else {
            let offline = || HubError::Offline { asked: Box::new(asked.clone()), cache: self.hub.cache.clone() };
            return known().ok_or_else(offline);
        };
        match ask(client) {
            // A hub that is out of order is as good as none.
            Err(error @ (HubError::Network { .. } | HubError::Status { code: 500..=599, .. })) => known().ok_or(error),
            answer => answer,
        }
    }

    /// The commit of the revision and its files, from the hub's API.
    fn list(&self, client: &Client, asked: &Asked) -> Result<(String, Vec<String>), HubError> {
        #[derive(serde::Deserialize)]
        struct Info {
            sha: String,
            siblings: Vec<Sibling>,
        }
        #[derive(serde::Deserialize)]
        struct Sibling {
            rfilename: String,
        }
        let kind = if self.kind == RepoKind::Model { "models" } else { "datasets" };
        let url = format!("{}/api/{kind}/{}/revision/{}", self.hub.endpoint, self.id, revision_path(&self.revision));
        let response = client.ask(&url, Question::Get { from: 0 }, asked)?;
        let protocol = |cause: String| HubError::Protocol { asked: Box::new(asked.clone()), cause };
        const MOST: u64 = 1 << 26;
        let text = response.into_body().into_with_config().limit(MOST).read_to_string();
        let text = text.map_err(|error| client::network(&error, asked))?;
        let info: Info = serde_json::from_str(&text).map_err(|e| protocol(e.to_string()))?;
        if !is_commit(&info.sha) {
            return Err(protocol("its commit is none".into()));
        }
        Ok((info.sha, info.siblings.into_iter().map(|file| file.rfilename).filter(|name| is_inside(name)).collect()))
    }

    /// The files of the snapshot that the cache has.
    fn cached_files(&self) -> Vec<String> {
        let root = self.folder().join("snapshots").join(&self.commit);
        let mut folders = vec![root.clone()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(name) = path.strip_prefix(&root).ok().and_then(Path::to_str) {
                    files.push(name.to_owned());
                }
            }
        }
        files.sort_unstable();
        files
    }
}

fn repo_type(kind: RepoKind) -> RepoType {
    match kind {
        RepoKind::Model => RepoType::Model,
        RepoKind::Dataset => RepoType::Dataset,
    }
}

/// A revision in an address: its slashes are part of the name.
fn revision_path(revision: &str) -> String {
    encoded(revision).replace('/', "%2F")
}

/// Whether a revision is a full commit hash, which never moves.
fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a name in a repository stays inside it: no `..`, not absolute.
fn is_inside(name: &str) -> bool {
    !name.is_empty() && !name.contains('\\') && Path::new(name).components().all(|c| matches!(c, Component::Normal(_)))
}

/// Whether `id` can be a repository of the hub: `name` or `owner/name` of letters, digits, `-`, `_` and `.`.
pub fn is_repo_id(id: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    id.len() <= 200 && id.split('/').count() <= 2 && id.split('/').all(part) && !id.contains("..")
}

/// Whether a name in a repository is a plain file name, which cannot lead out of a folder.
pub fn is_plain_file(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|plain| plain == name)
}
