//! A file of the hub into the cache, in the layout of Python's `huggingface_hub`:
//! `blobs/<etag>` has the content, `snapshots/<commit>/<file>` is a link to it, `.locks/.../<etag>.lock` guards a download.

use super::client::{Question, header};
use super::error::{Asked, HubError};
use super::{Download, Snapshot, Watch};
use crate::data::error::shown;
use crate::data::input::hex;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use ureq::Body;
use ureq::http::Response;

/// A download that makes no progress is tried so often.
const TRIES: usize = 5;
/// A lock of another program is waited for as long as its file grows within this time.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);
const CHUNK: usize = 1 << 16;

/// What the hub says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Name of the blob; the SHA-256 of the content where it has 64 digits.
    pub etag: String,
    pub size: Option<u64>,
    pub commit: Option<String>,
}

impl Metadata {
    pub fn of(response: &Response<Body>, asked: &Asked) -> Result<Self, HubError> {
        let protocol = |cause: String| HubError::Protocol { asked: Box::new(asked.clone()), cause };
        let etag = header(response, "x-linked-etag").or_else(|| header(response, "etag"));
        let etag = etag.ok_or_else(|| protocol("the answer has no ETag".into()))?;
        let etag = etag.trim_start_matches("W/").trim_matches('"').to_owned();
        // It becomes a file name.
        let safe = !etag.is_empty() && etag.len() <= 200 && !etag.starts_with('.');
        if !safe || !etag.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err(protocol(format!("the ETag {} is no name", shown(&etag))));
        }
        let length = || header(response, "content-length").filter(|_| response.status().is_success());
        let size = header(response, "x-linked-size").or_else(length).and_then(|size| size.parse().ok());
        let commit = header(response, "x-repo-commit").map(str::to_owned);
        Ok(Self { etag, size, commit })
    }
}

/// Fetches a file of a snapshot that the cache has not; gives where it is.
pub(super) fn fetch(snapshot: &Snapshot, name: &str, progress: &mut Watch) -> Result<PathBuf, HubError> {
    let asked = snapshot.asked(name);
    let url = snapshot.url(name);
    let response = snapshot.client(&asked)?.ask(&url, Question::Head, &asked)?;
    let metadata = Metadata::of(&response, &asked)?;
    drop(response);
    let disk = |source| HubError::Disk { cache: snapshot.hub.cache.clone(), source };
    let folder = snapshot.folder();
    let blob = folder.join("blobs").join(&metadata.etag);
    fs::create_dir_all(folder.join("blobs")).map_err(disk)?;
    let pointer = folder.join("snapshots").join(&snapshot.commit).join(name);
    // The same content may be there for another revision.
    if !blob.is_file() {
        let job = Job { snapshot, name, url, asked, metadata, partial: with_ending(&blob, "incomplete"), blob: &blob };
        job.run(progress)?;
    }
    link(&blob, &pointer, &folder).map_err(disk)?;
    Ok(pointer)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Makes `pointer` a link to `blob`, relative so that the cache can be moved; a copy where the disk has no links.
fn link(blob: &Path, pointer: &Path, folder: &Path) -> io::Result<()> {
    if let Some(parent) = pointer.parent() {
        fs::create_dir_all(parent)?;
    }
    if pointer.is_file() {
        return Ok(());
    }
    // A link to a blob that somebody removed.
    let _ = fs::remove_file(pointer);
    let depth = pointer.strip_prefix(folder).map_or(0, |inside| inside.components().count().saturating_sub(1));
    let target: PathBuf = std::iter::repeat_n("..", depth).collect();
    let target = target.join("blobs").join(blob.file_name().unwrap_or_default());
    #[cfg(unix)]
    let linked = std::os::unix::fs::symlink(target, pointer);
    #[cfg(not(unix))]
    let linked: io::Result<()> = Err(io::Error::other(target.display().to_string()));
    match linked {
        // Another program made it meanwhile.
        Err(_) if pointer.is_file() => Ok(()),
        Err(_) => fs::copy(blob, pointer).map(drop),
        Ok(()) => Ok(()),
    }
}

/// One download.
struct Job<'a> {
    snapshot: &'a Snapshot,
    name: &'a str,
    url: String,
    asked: Asked,
    metadata: Metadata,
    /// What is there so far. Its name has the ETag: another version has another file.
    partial: PathBuf,
    blob: &'a Path,
}

impl Job<'_> {
    fn run(&self, progress: &mut Watch) -> Result<(), HubError> {
        let Some(_lock) = self.lock(progress)? else { return Ok(()) };
        for again in [true, false] {
            let size = self.receive(progress)?;
            match self.check(size) {
                Ok(None) => break,
                Ok(Some(cause)) => {
                    fs::remove_file(&self.partial).map_err(|e| self.disk(e))?;
                    if !again {
                        return Err(HubError::Corrupt { asked: self.asked(), cause });
                    }
                }
                Err(error) => return Err(self.disk(error)),
            }
        }
        fs::rename(&self.partial, self.blob).map_err(|e| self.disk(e))
    }

    fn asked(&self) -> Box<Asked> {
        Box::new(self.asked.clone())
    }

    fn disk(&self, source: io::Error) -> HubError {
        let cache = self.snapshot.hub.cache.clone();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let done = fs::metadata(&self.partial).map_or(0, |metadata| metadata.len());
                let missing = self.metadata.size.unwrap_or(0).saturating_sub(done).max(1);
                HubError::DiskFull { asked: self.asked(), cache, missing }
            }
            _ => HubError::Disk { cache, source },
        }
    }

    /// The lock of this file, which Python's library honours too; `None` where another program brought the file meanwhile.
    fn lock(&self, progress: &mut Watch) -> Result<Option<File>, HubError> {
        let folder = self.snapshot.folder();
        let repo = folder.file_name().unwrap_or_default();
        let locks = self.snapshot.hub.cache.join(".locks").join(repo);
        fs::create_dir_all(&locks).map_err(|e| self.disk(e))?;
        let path = locks.join(format!("{}.lock", self.metadata.etag));
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path);
        let file = file.map_err(|e| self.disk(e))?;
        let (mut size, mut since) = (0, Instant::now());
        loop {
            match file.try_lock() {
                Ok(()) => return Ok((!self.blob.is_file()).then_some(file)),
                Err(TryLockError::WouldBlock) => {}
                // A disk without locks: Python's library goes on without them, too.
                Err(TryLockError::Error(_)) => return Ok((!self.blob.is_file()).then_some(file)),
            }
            if self.blob.is_file() {
                return Ok(None);
            }
            let done = fs::metadata(&self.partial).map_or(0, |metadata| metadata.len());
            if done > size {
                (size, since) = (done, Instant::now());
            }
            let total = self.metadata.size.unwrap_or(done);
            if progress(Download { file: self.name, done, total }).is_break() {
                return Err(self.interrupted());
            }
            if since.elapsed() > LOCK_PATIENCE {
                return Err(HubError::Locked { asked: self.asked(), lock: path });
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn interrupted(&self) -> HubError {
        HubError::Interrupted { asked: self.asked() }
    }

    /// Brings the partial file to its full size, which it gives where it is known.
    fn receive(&self, progress: &mut Watch) -> Result<Option<u64>, HubError> {
        let (mut tries, mut furthest) = (0, 0);
        loop {
            let before = fs::metadata(&self.partial).map_or(0, |metadata| metadata.len());
            furthest = before.max(furthest);
            let cause = match self.part(before, progress)? {
                Part::Whole(size) => return Ok(size),
                Part::Cut(cause) => cause,
            };
            let done = fs::metadata(&self.partial).map_or(0, |metadata| metadata.len());
            // Progress is what was not there before: a server that never gives the end would be asked for ever.
            tries = if done > furthest { 1 } else { tries + 1 };
            if tries >= TRIES {
                return Err(HubError::BrokenOff { asked: self.asked(), tries, done, cause });
            }
            std::thread::sleep(Duration::from_millis(200 * (1 << tries)));
        }
    }

    /// One answer of the server, appended from `start` on.
    fn part(&self, mut start: u64, progress: &mut Watch) -> Result<Part, HubError> {
        let mut size = self.metadata.size;
        if size.is_some_and(|size| start > size) {
            start = 0;
        }
        let open = |start| {
            let mut file = OpenOptions::new().create(true).write(true).truncate(start == 0).open(&self.partial)?;
            io::Seek::seek(&mut file, io::SeekFrom::Start(start))?;
            Ok(file)
        };
        if size == Some(start) {
            open(start).map_err(|e| self.disk(e))?;
            return Ok(Part::Whole(size));
        }
        let question = Question::Get { from: start };
        let response = match self.snapshot.client(&self.asked)?.ask(&self.url, question, &self.asked) {
            Ok(response) => response,
            Err(HubError::Network { cause, .. }) => return Ok(Part::Cut(cause)),
            // There is nothing from there on: the file is not the one whose beginning is here.
            Err(HubError::Status { code: 416, .. }) if start > 0 => {
                open(0).map_err(|e| self.disk(e))?;
                return Ok(Part::Cut("the server has less than was here already".into()));
            }
            Err(error) => return Err(error),
        };
        let range = header(&response, "content-range").and_then(range);
        match (response.status().as_u16(), range) {
            (206, Some((from, total))) if from == start => size = size.or(total),
            // The whole file, although a part was asked for.
            (200, _) => start = 0,
            (code, _) => {
                let cause = format!("it answers {code} to a range from byte {start} on");
                return Err(HubError::Protocol { asked: self.asked(), cause });
            }
        }
        if response.status().as_u16() == 200 {
            size = size.or_else(|| header(&response, "content-length")?.parse().ok());
        }
        let mut file = open(start).map_err(|e| self.disk(e))?;
        let mut meter =
            Meter { file: self.name, done: start, told: start, at: Instant::now(), total: size.unwrap_or(0), progress };
        let mut reader = response.into_body().into_reader();
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Ok(Part::Cut(shown(&error.to_string()))),
            };
            file.write_all(&buffer[..count]).map_err(|e| self.disk(e))?;
            if meter.add(count as u64).is_break() {
                return Err(self.interrupted());
            }
        }
        if size.is_some_and(|size| meter.done < size) {
            return Ok(Part::Cut("the connection was closed".into()));
        }
        file.sync_all().map_err(|e| self.disk(e))?;
        // It is whole: too late to end it.
        let _ = meter.tell();
        Ok(Part::Whole(size))
    }

    /// Why the received file is not the announced one, if so.
    fn check(&self, size: Option<u64>) -> io::Result<Option<String>> {
        let mut file = File::open(&self.partial)?;
        let length = file.metadata()?.len();
        if let Some(size) = size.filter(|size| *size != length) {
            return Ok(Some(format!("{length} bytes instead of {size}")));
        }
        let etag = &self.metadata.etag;
        if etag.len() != 64 || !etag.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let mut hash = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => hash.update(&buffer[..count]),
            }
        }
        let same = hex(&hash.finalize()).eq_ignore_ascii_case(etag);
        Ok((!same).then(|| "its SHA-256 is another".into()))
    }
}

/// What came of one answer.
enum Part {
    /// The file is there, of this size.
    Whole(Option<u64>),
    Cut(String),
}

/// First byte and size of the whole of `bytes 5-9/10`.
fn range(header: &str) -> Option<(u64, Option<u64>)> {
    let (part, total) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
    Some((part.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}

/// Tells a progress function, about 200 times a file or five times a second.
struct Meter<'a, 'b> {
    file: &'a str,
    done: u64,
    told: u64,
    at: Instant,
    total: u64,
    progress: &'a mut Watch<'b>,
}

impl Meter<'_, '_> {
    fn add(&mut self, count: u64) -> ControlFlow<()> {
        self.done += count;
        let much = self.done - self.told > self.total / 200;
        if much || self.at.elapsed() > Duration::from_millis(200) { self.tell() } else { ControlFlow::Continue(()) }
    }

    fn tell(&mut self) -> ControlFlow<()> {
        (self.told, self.at) = (self.done, Instant::now());
        (self.progress)(Download { file: self.file, done: self.done, total: self.total.max(self.done) })
    }
}
