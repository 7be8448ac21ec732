//! Files that are replaced while others read them.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

/// Replaces a file in one step, so that a reader sees the old content or the new one, also after a crash. The new content is
/// written beside it, under its name with `.new`; there must be one writer at a time.
///
/// `mode` has the permissions of the new file on Unix, less the umask.
///
/// # Errors
/// Those of writing, renaming and syncing. The file is then the old one, or the new one if only the folder could not be synced.
pub fn replace_file(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error), // of a write that was cut off
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true); // never through a link that somebody else put there
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(&new)?;
    let written = file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written?;
    // The name in the folder reaches the disk too.
    #[cfg(unix)]
    File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_file_is_replaced_whole_with_its_mode_and_never_through_a_link() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = std::env::temp_dir().join(format!("countersign-replaced-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        let (file, new, other) = (folder.join("file"), folder.join("file.new"), folder.join("other"));
        for (mode, content) in [(0o600, "first"), (0o644, "second")] {
            fs::write(&other, "untouched").expect("written");
            symlink(&other, &new).expect("a link");
            replace_file(&file, content.as_bytes(), mode).expect("replaced");
            assert_eq!(fs::read_to_string(&file).expect("there"), content);
            assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o077, mode & 0o077);
            assert_eq!(fs::read_to_string(&other).expect("there"), "untouched");
            assert!(!new.exists() && !new.is_symlink());
        }
        fs::create_dir(&new).expect("a folder in the way");
        assert!(replace_file(&file, b"third", 0o600).is_err());
        assert_eq!(fs::read_to_string(&file).expect("there"), "second", "the old one stays");
        fs::remove_dir_all(&folder).expect("removed");
    }
}
