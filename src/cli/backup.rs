//! `livechat backup` and `livechat restore`: the embedded store as one file.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use crate::config::{Config, StoreChoice};
use crate::store::embedded::{backup, restore};

/// Writes the database in DATA_DIR to a new file. Shows progress on a terminal.
pub fn back_up(file: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let directory = data_directory()?;
    let style = ProgressStyle::with_template("{bar:40} {bytes} of up to {total_bytes}")?;
    let bar = ProgressBar::new(0).with_style(style);
    let shown = bar.clone();
    backup::back_up(&directory, file, move |written, total| {
        shown.set_length(total);
        shown.set_position(written);
    })?;
    bar.finish_and_clear();
    println!("Backed up {} to {}.", directory.display(), file.display());
    Ok(ExitCode::SUCCESS)
}

/// Makes a backup the database in DATA_DIR.
pub fn restore(file: &Path, replace: bool) -> Result<ExitCode, Box<dyn Error>> {
    let directory = data_directory()?;
    restore::restore(file, &directory, replace)?;
    println!("Restored {} to {}. Start the server.", file.display(), directory.display());
    Ok(ExitCode::SUCCESS)
}

fn data_directory() -> Result<PathBuf, Box<dyn Error>> {
    match Config::store_from_environment()? {
        StoreChoice::Embedded(directory) => Ok(directory),
        StoreChoice::Redis(_) => Err("the rooms are in Redis, so back up its own files, as described in \
            docs/operations.md#backup; for a data directory, unset REDIS_URL, REDIS_HOST and REDIS_SENTINELS"
            .into()),
    }
}
