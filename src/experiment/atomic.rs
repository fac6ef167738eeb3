//! Writing a file or a folder whole or not at all.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Writes `bytes` to `path` through a temporary file in the same folder, fsync and rename, making the folder first.
///
/// A link is followed, so that the file it names is replaced and not the link, and made where it is not there yet: a preset
/// or a configuration that is a link into a folder under version control is changed there, and stays a link. Whoever reads meanwhile sees the old
/// content or the new, and after a crash one of the two is there.
///
/// # Errors
/// Those of the file system; the temporary file is removed, and `path` is as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = end_of_links(path)?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the path of a file"));
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    fs::create_dir_all(folder)?;
    let temporary = folder.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        // The first error is the one to report; what cannot be removed was perhaps never made.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    // The rename itself lasts once the folder is on disk; not every file system lets a folder be synced.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// The file that a path names, which may not be there yet.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut end = path.to_path_buf();
    // A link that leads round in a circle is not followed to here: the system says so.
    while let Err(error) = fs::metadata(&end) {
        match fs::read_link(&end) {
            Ok(next) if error.kind() == io::ErrorKind::NotFound => {
                end = end.parent().unwrap_or(Path::new("")).join(next);
            }
            Ok(_) => return Err(error),
            Err(_) => return Ok(end),
        }
    }
    fs::canonicalize(&end)
}

/// Makes the folder `path` of what `fill` writes into a hidden folder beside it, which then takes its name, making the
/// parents first. A folder that was there is replaced and removed, with everything in it; a link is followed.
///
/// Every file is synced before and the parent after, so that a crash leaves the old folder or the new (where the file
/// system cannot exchange two names, for a moment neither).
///
/// # Errors
/// Those of the file system and of `fill`; the hidden folder is removed, and `path` is as it was.
pub fn write_folder<E: From<io::Error>>(path: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let path = fs::canonicalize(path).or_else(|_| std::path::absolute(path))?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the path of a folder").into());
    };
    fs::create_dir_all(parent)?;
    let hidden = |end: &str| parent.join(format!(".{}.{}.{end}", name.to_string_lossy(), std::process::id()));
    let (temporary, old) = (hidden("tmp"), hidden("old"));
    let written = make_empty(&temporary)
        .map_err(E::from)
        .and_then(|()| fill(&temporary))
        .and_then(|()| Ok(sync_all(&temporary).and_then(|()| take_place(&temporary, &path, &old))?));
    if written.is_err() {
        // The first error is the one to report; what cannot be removed was perhaps never made.
        let _ = fs::remove_dir_all(&temporary);
        return written;
    }
    // The folder is whole under its name; an old one that cannot be removed is hidden and nothing reads it.
    for left in [&temporary, &old] {
        let _ = fs::remove_dir_all(left);
    }
    // Only now: until there is a whole folder, what a killed process left may be the only one.
    clear_abandoned(parent, &format!(".{}.", name.to_string_lossy()), &["tmp", "old"]);
    let _ = File::open(parent).and_then(|parent| parent.sync_all());
    Ok(())
}

/// A process that is killed leaves what it was writing. Removes from `folder` whatever is called `{prefix}...{pid}.{ending}`
/// of a process that is not there any more. What changed in the last ten minutes stays: it may be another machine's.
pub fn clear_abandoned(folder: &Path, prefix: &str, endings: &[&str]) {
    const RECENT: Duration = Duration::from_secs(600);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let parts = name.to_str().and_then(|name| name.strip_prefix(prefix)?.rsplit_once('.'));
        let Some((before, _)) = parts.filter(|(_, ending)| endings.contains(ending)) else { continue };
        let pid = before.rsplit('.').next().and_then(|pid| pid.parse().ok());
        let Some(pid) = pid.and_then(Pid::from_raw) else { continue };
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        let old = changed.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > RECENT));
        if old && test_kill_process(pid) == Err(Errno::SRCH) {
            // What cannot be removed does no harm.
            let _ =
                if entry.path().is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        }
    }
}

fn make_empty(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir(folder),
    }
}

/// Waits until everything below a folder is on the disk.
fn sync_all(folder: &Path) -> io::Result<()> {
    let paths: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    for path in paths {
        if path.is_dir() { sync_all(&path)? } else { File::open(&path)?.sync_all()? }
    }
    File::open(folder)?.sync_all()
}

/// Gives `new` the name `path`; what had it before has the name `new` or `old` then.
fn take_place(new: &Path, path: &Path, old: &Path) -> io::Result<()> {
    if !path.exists() {
        return fs::rename(new, path);
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    // Some file systems cannot exchange two names at once.
    fs::rename(path, old)?;
    fs::rename(new, path).inspect_err(|_| {
        // The old folder comes back under its name; the error of the new one is the one to report.
        let _ = fs::rename(old, path);
    })
}

/// Writes a new file and waits until it is on the disk.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new/file");
        for content in ["first", "second, longer", ""] {
            write_atomic(&path, content.as_bytes()).expect("written");
            assert_eq!(fs::read_to_string(&path).expect("read"), content);
        }
        assert_eq!(fs::read_dir(folder.path().join("new")).expect("listed").count(), 1);
    }

    #[test]
    fn a_link_stays_one_and_the_file_that_it_names_is_written() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("kept")).expect("made");
        symlink("kept/file", at("second")).expect("linked");
        symlink("second", at("first")).expect("linked");
        // Not there yet, then there.
        for content in ["new", "other"] {
            write_atomic(&at("first"), content.as_bytes()).expect("written");
            assert_eq!(fs::read_to_string(at("kept/file")).expect("read"), content);
            assert_eq!(fs::read_link(at("first")).expect("a link"), Path::new("second"));
            assert_eq!(fs::read_link(at("second")).expect("a link"), Path::new("kept/file"));
        }
        symlink("round", at("round")).expect("linked");
        assert!(write_atomic(&at("round"), b"x").is_err());
        assert_eq!(fs::read_link(at("round")).expect("a link"), Path::new("round"));
    }

    #[test]
    fn a_failure_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("taken")).expect("made");
        assert!(write_atomic(&folder.path().join("taken"), b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("listed")
            .map(|entry| entry.expect("read").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_replaced_whole_and_nothing_else_is_left() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = place.path().join("new/folder");
        for name in ["first", "second"] {
            write_folder(&folder, |at| {
                fs::create_dir(at.join("in")).and_then(|()| fs::write(at.join("in").join(name), ""))
            })
            .expect("written");
            assert_eq!(names(&folder.join("in")), [name]);
        }
        assert_eq!(names(&place.path().join("new")), ["folder"]);
    }

    #[test]
    fn a_folder_that_fails_half_way_leaves_the_old_one() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = place.path().join("folder");
        write_folder(&folder, |at| fs::write(at.join("old"), "")).expect("written");
        let failed = write_folder(&folder, |at| {
            fs::write(at.join("half"), "")?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.expect_err("it failed").to_string(), "no more");
        assert_eq!((names(place.path()), names(&folder)), (vec!["folder".to_string()], vec!["old".to_string()]));
    }
}
