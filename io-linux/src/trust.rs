//! Whether a program may be run: not everybody can have written it.
//!
//! A hook runs with what this process may do. If everybody can write to it, or to a folder on the way
//! to it, anybody can do as much. Whose it is isn't looked at: a database's user may own its hooks.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// `S_IWOTH`, and `S_ISVTX` of folders, in which nobody can replace the files of others.
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Why a program isn't run: everybody may write there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is writable by others (mode {mode:04o}); chmod o-w mends it", path.display())]
pub struct Untrusted {
    /// The program, or a folder on the way to it.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
}

/// Looks at the program of a command line, and at every file that it names by an absolute path: a
/// script that a shell is to run, say. What doesn't exist is for the attempt to run it to tell.
///
/// # Errors
/// The first that somebody else may have written.
pub fn check_trust(words: &[String]) -> Result<(), Untrusted> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let arguments = arguments.iter().map(Path::new).filter(|path| path.is_absolute());
    let files = find(program).into_iter().chain(arguments.map(Path::to_owned));
    files.filter(|path| path.is_file()).try_for_each(|path| check_path(&path))
}

/// As `execvp` finds it.
fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(program.into());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn check_path(path: &Path) -> Result<(), Untrusted> {
    let Ok(path) = path.canonicalize() else { return Ok(()) };
    for step in path.ancestors() {
        let Ok(found) = fs::metadata(step) else { continue };
        let mode = found.mode() & 0o7777;
        let is_sticky = found.is_dir() && mode & STICKY != 0;
        if mode & OTHERS_WRITE != 0 && !is_sticky {
            return Err(Untrusted { path: step.to_owned(), mode });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    fn words(line: &[&Path]) -> Vec<String> {
        line.iter().map(|word| word.display().to_string()).collect()
    }

    #[test]
    fn a_program_that_others_may_write_is_not_trusted_by_whatever_way_it_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let (hook, link) = (folder.path().join("hook"), folder.path().join("link"));
        fs::write(&hook, "#!/bin/sh\n").expect("a file");
        symlink(&hook, &link).expect("a link");
        let lines = [words(&[&hook]), words(&[&link]), words(&[Path::new("sh"), &hook])];
        set_mode(&hook, 0o755);
        assert!(lines.iter().all(|line| check_trust(line).is_ok()));
        set_mode(&hook, 0o757);
        let refused = Untrusted { path: hook.clone(), mode: 0o757 };
        assert!(lines.iter().all(|line| check_trust(line) == Err(refused.clone())));
        let text =
            format!("{} is writable by others (mode 0757); chmod o-w mends it", hook.display());
        assert_eq!(refused.to_string(), text);
    }

    #[test]
    fn a_folder_that_others_may_write_makes_its_programs_untrusted_unless_it_is_sticky() {
        let folder = tempfile::tempdir().expect("a folder");
        let hook = folder.path().join("hook");
        fs::write(&hook, "#!/bin/sh\n").expect("a file");
        set_mode(&hook, 0o755);
        set_mode(folder.path(), 0o777);
        let refused = Untrusted { path: folder.path().to_owned(), mode: 0o777 };
        assert_eq!(check_trust(&words(&[&hook])), Err(refused));
        set_mode(folder.path(), 0o1777);
        assert_eq!(check_trust(&words(&[&hook])), Ok(()));
    }

    #[test]
    fn what_is_not_there_and_what_is_no_file_is_left_to_the_attempt() {
        for line in [&["/nowhere/hook"][..], &["no-such-program"], &["true", "/dev/null"], &[]] {
            let line: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(check_trust(&line), Ok(()));
        }
    }
}
