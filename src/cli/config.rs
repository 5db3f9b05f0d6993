//! `livechat config`: prints every setting, where its value comes from, and what is wrong with it.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{ConfigError, Report};
use crate::store::embedded::preflight;

/// Writes every setting to standard output, or only what is wrong. Fails when the server cannot start with them.
pub fn run(only_findings: bool) -> Result<ExitCode, ConfigError> {
    let report = Report::from_environment(check_directory)?;
    let text = if only_findings { report.findings } else { report.text };
    // The reader may close the pipe early, which is not an error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(if report.is_valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check_directory(directory: &Path) -> Result<(), String> {
    preflight::check(directory).map_err(|error| match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}
