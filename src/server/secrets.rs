//! Small secrets that the data directory keeps: written once, readable by the owner only.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::common::rng;
use crate::error::{Error, Result, SqlState};

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::fatal(SqlState::IO_ERROR, format!("could not {what} file \"{}\": {error}", path.display()))
}

/// Reads a file, or makes it with what `make` gives; the new one appears complete or not at all.
///
/// # Errors
/// FATAL `58030`.
pub fn read_or_make(path: &Path, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    match fs::read(path) {
        Ok(bytes) => return Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read", path, &error)),
    }
    let bytes = make()?;
    write_private(path, &bytes)?;
    Ok(bytes)
}

/// Writes a file that only its owner may read, in one step.
///
/// # Errors
/// FATAL `58030`.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| failed("create directory of", path, &error))?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    let _ = fs::remove_file(&temporary);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&temporary).map_err(|error| failed("create", &temporary, &error))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| failed("write", &temporary, &error))?;
    fs::rename(&temporary, path).map_err(|error| failed("rename", &temporary, &error))
}

/// The secret behind made-up SCRAM salts; it stays the same over restarts, or salts that change would tell which users
/// do not exist.
///
/// # Errors
/// FATAL `58030`.
pub fn mock_secret(data: &Path) -> Result<[u8; 32]> {
    let path = data.join("login.secret");
    let bytes = read_or_make(&path, || {
        let mut secret = [0; 32];
        rng::fill(&mut secret);
        Ok(secret.to_vec())
    })?;
    bytes.try_into().map_err(|_| {
        Error::fatal(SqlState::CONFIG_FILE_ERROR, format!("file \"{}\" does not have 32 bytes", path.display()))
            .hint("Remove the file; a new one is made at the next start.")
    })
}
