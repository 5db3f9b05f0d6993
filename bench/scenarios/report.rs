//! Writes the results of all scenarios as tables and plots into docs/performance.md.

mod plots;
mod tables;

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The text between these lines of docs/performance.md is generated.
const BEGIN: &str = "<!-- Written by `make performance`. -->";
const END: &str = "<!-- End of the report. -->";

/// The results, one line per scenario.
pub struct Lines(Vec<Value>);

impl Lines {
    /// Parses lines of JSON. The last line of a scenario counts.
    pub fn read(text: &str) -> Self {
        Self(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// A value of a scenario; `None` if it was not measured.
    fn get(&self, scenario: &str, pointer: &str) -> Option<&Value> {
        self.0.iter().rev().find(|line| line["scenario"] == scenario)?.pointer(pointer)
    }

    fn number(&self, scenario: &str, pointer: &str) -> Option<f64> {
        self.get(scenario, pointer)?.as_f64()
    }

    /// A value as text; empty if it was not measured.
    fn text(&self, scenario: &str, pointer: &str) -> String {
        match self.get(scenario, pointer) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }
    }
}

/// Updates docs/performance.md and the plots in docs/plots.
pub fn write(lines: &Lines) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = docs.join("performance.md");
    let text = fs::read_to_string(&page).expect("docs/performance.md");
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the report in docs/performance.md");
    let (_, after) = rest.split_once(END).expect("the end of the report in docs/performance.md");
    let text = format!("{before}{BEGIN}\n\n{}\n{END}{after}", tables::section(lines));
    fs::write(&page, text).expect("docs/performance.md can be written");
    fs::create_dir_all(docs.join("plots")).expect("a directory for plots");
    for (name, plot) in plots::all(lines) {
        fs::write(docs.join("plots").join(name), plot).expect("a plot can be written");
    }
}
