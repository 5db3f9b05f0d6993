//! docs/operations.md has a section for every alert, and no broken links. Its settings are checked in `documented_settings`.

const PAGE: &str = include_str!("../../docs/operations.md");

#[test]
fn every_alert_has_a_section() {
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
        assert!(PAGE.contains(&format!("\n### {alert}\n\n")), "no section for {alert}");
    }
}

#[test]
fn every_link_within_the_page_has_a_target() {
    let anchors: Vec<_> = PAGE
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-"))
        .collect();
    for link in PAGE.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(anchors.iter().any(|anchor| anchor == link), "#{link} has no target");
    }
}
