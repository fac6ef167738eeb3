//! Reading what must be a file: a pipe that nobody writes into, or a device, would keep the reader for ever.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Opens a file to be read.
///
/// # Errors
/// Those of the file system, and [`io::ErrorKind::InvalidInput`] with the reason for what is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    if is_from_shell(path) {
        return File::open(path);
    }
    check(fs::metadata(path)?.file_type())?;
    // Something else may have its place by now: a pipe is not waited for, and looked at again.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

/// All bytes of a file.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file.
///
/// # Errors
/// As [`open`], and [`io::ErrorKind::InvalidData`] where it is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// What a shell hands over, as in `preset check <(...)`: a pipe with a writer, which ends.
fn is_from_shell(path: &Path) -> bool {
    path.starts_with("/dev/fd") || path == Path::new("/dev/stdin")
}

fn check(kind: FileType) -> io::Result<()> {
    let what = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")),
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    let message = format!("it is {what}, not a file; write what it gives into a file, and name that");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_a_device_and_a_folder_are_refused_at_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).expect("made");
        let message = |path: &Path| read(path).expect_err("no file").to_string();
        assert!(message(&pipe).starts_with("it is a named pipe, not a file"));
        assert!(message(Path::new("/dev/zero")).starts_with("it is a device"));
        assert_eq!(message(folder.path()), "it is a folder");
        assert_eq!(open(&folder.path().join("none")).expect_err("none").kind(), io::ErrorKind::NotFound);
        let file = folder.path().join("file");
        fs::write(&file, "text").expect("written");
        assert_eq!(
            (read_to_string(&file).expect("read"), read(&file).expect("read")),
            ("text".into(), b"text".to_vec())
        );
    }
}
