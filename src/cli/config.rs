//! `livechat config`: what is in force, where each value comes from, and what is wrong with it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::{ConfigError, Explanation, Origin};

/// Writes every setting to standard output. Fails when the server would not start with them.
pub fn run() -> Result<ExitCode, ConfigError> {
    let explanation = Explanation::of_environment()?;
    // Whoever asked may not read to the end.
    let _ = std::io::stdout().write_all(table(&explanation).as_bytes());
    let faulty = explanation.settings.iter().any(|setting| setting.problem.is_some());
    Ok(if faulty { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One line a setting, and one more where something is wrong with it.
fn table(explanation: &Explanation) -> String {
    let width =
        |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| text.chars().count()).max().unwrap_or_default();
    let names = width(&mut explanation.settings.iter().map(|setting| setting.name));
    let values = width(&mut explanation.settings.iter().map(|setting| shown(&setting.value)));
    let mut table = String::new();
    for setting in &explanation.settings {
        let origin = match setting.origin {
            Origin::Environment => "environment",
            Origin::DotEnv => ".env",
            Origin::Default => "default",
            Origin::FileLimit => "from the file limit",
        };
        let unused = if setting.unused { ", not in use" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{:names$}  {:values$}  {origin}{unused}", setting.name, shown(&setting.value));
        if let Some(problem) = &setting.problem {
            let _ = writeln!(table, "{:names$}  ^ {problem}", "");
        }
    }
    for name in &explanation.unknown {
        let _ = writeln!(table, "{name} stands in .env and is no setting of livechat");
    }
    table
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "-" } else { value }
}
