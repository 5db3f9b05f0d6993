//! docs/operations.md, held against what it describes.

use livechat::config::ALL;

const PAGE: &str = include_str!("../../docs/operations.md");

/// The cells of each row of a table.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    PAGE.lines().filter(|line| line.starts_with('|')).map(|line| line.split('|').map(str::trim).collect())
}

#[test]
fn every_setting_stands_there_with_its_default() {
    for setting in ALL {
        let name = format!("`{}`", setting.name);
        let row =
            rows().find(|row| row.get(1) == Some(&name.as_str())).unwrap_or_else(|| panic!("no row about {name}"));
        let default = if setting.default.is_empty() { "(none)".to_owned() } else { format!("`{}`", setting.default) };
        assert_eq!(row[2], default, "{name}");
    }
}

#[test]
fn nothing_stands_there_as_a_setting_that_is_none() {
    let section = PAGE.split("\n## ").find(|section| section.starts_with("Settings\n")).expect("the section");
    let names = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    for name in names {
        assert!(ALL.iter().any(|setting| setting.name == name), "{name} is no setting");
    }
}

#[test]
fn every_alert_has_its_place() {
    for alert in [
        "LivechatDown",
        "LivechatNotReady",
        "LivechatStoreErrors",
        "LivechatStoreSlow",
        "LivechatHighErrorRate",
        "LivechatReplaysHigh",
        "LivechatRateLimited",
        "LivechatMemoryHigh",
        "LivechatNearConnectionLimit",
    ] {
        assert!(PAGE.contains(&format!("\n### {alert}\n\n")), "no section about {alert}");
    }
}

#[test]
fn links_within_the_page_lead_somewhere() {
    let anchors: Vec<_> = PAGE
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-"))
        .collect();
    for link in PAGE.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(anchors.iter().any(|anchor| anchor == link), "#{link} leads nowhere");
    }
}
