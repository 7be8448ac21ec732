//! Reads of regular files, up to a limit.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Opens a regular file, also through links, as mounted secrets have them. A pipe would wait for a writer, and a device may
/// never end.
///
/// # Errors
/// `InvalidInput` if it is not a regular file.
pub(super) fn open_regular(path: &Path) -> Result<File> {
    let checked = |about: std::fs::Metadata| match about.is_file() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::InvalidInput, "not a regular file")),
    };
    checked(std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    checked(file.metadata()?)?; // it may have been replaced in between
    Ok(file)
}

/// Reads a whole file.
///
/// # Errors
/// As [`open_regular`], and `FileTooLarge` if it has more than `max_bytes`.
pub(crate) fn read_bytes(path: &Path, max_bytes: usize) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    open_regular(path)?.take(limit).read_to_end(&mut content)?;
    if content.len() > max_bytes {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("longer than {max_bytes} bytes")));
    }
    Ok(content)
}

/// Reads a whole file as text.
///
/// # Errors
/// `InvalidInput` if it is no regular file, `FileTooLarge` if it has more than `max_bytes`, `InvalidData` if it is not UTF-8,
/// and those of opening and reading it.
pub fn read_text(path: &Path, max_bytes: usize) -> Result<String> {
    let not_text = |_| Error::new(ErrorKind::InvalidData, "not UTF-8 text");
    String::from_utf8(read_bytes(path, max_bytes)?).map_err(not_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn only_whole_regular_files_are_read() {
        let folder = std::env::temp_dir().join(format!("countersign-file-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let (file, link, pipe) = (folder.join("file"), folder.join("link"), folder.join("pipe"));
        std::fs::write(&file, "text").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        let kind = |path: &Path, max_bytes| read_text(path, max_bytes).map_err(|error| error.kind());
        assert_eq!(kind(&file, 4).as_deref(), Ok("text"));
        assert_eq!(kind(&link, 4).as_deref(), Ok("text"), "mounted secrets are links");
        assert_eq!(kind(&file, 3), Err(ErrorKind::FileTooLarge));
        assert_eq!(kind(&folder.join("none"), 4), Err(ErrorKind::NotFound));
        for path in [pipe.as_path(), folder.as_path(), Path::new("/dev/zero")] {
            assert_eq!(kind(path, 4), Err(ErrorKind::InvalidInput), "{}", path.display());
        }
        std::fs::write(&file, [0xff]).expect("written");
        assert_eq!(kind(&file, 4), Err(ErrorKind::InvalidData));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
