//! The files under deploy/, checked by the tools that know their formats, and held against the settings there are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use livechat::config::{Config, all};

use crate::support::nginx;

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(deploy(name)).expect("a file under deploy/")
}

/// A tool that tests/tools.sh installed, which must have nothing to say against its arguments.
fn assert_passes(tool: &str, arguments: &[&str], file: &Path) {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lint/bin").join(tool);
    let tool = if installed.exists() { installed } else { PathBuf::from(tool) };
    let output = Command::new(&tool)
        .args(arguments)
        .arg(file)
        .output()
        .unwrap_or_else(|error| panic!("this test needs {} (make tools): {error}", tool.display()));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    assert_passes("hadolint", &[], &deploy("Dockerfile"));
}

#[test]
fn the_compose_file_is_one() {
    assert_passes("check-jsonschema", &["--builtin-schema", "vendor.compose-spec"], &deploy("compose.yaml"));
}

#[test]
fn kubernetes_knows_every_field_of_the_manifest() {
    assert_passes("kubernetes-validate", &["--strict"], &deploy("kubernetes.yaml"));
}

#[test]
fn systemd_knows_every_line_of_the_unit_and_finds_it_safe() {
    let directory = tempfile::tempdir().expect("a directory");
    let unit = directory.path().join("livechat.service");
    let text = read("systemd/livechat.service");
    let here = text.replace("/usr/local/bin/livechat", env!("CARGO_BIN_EXE_livechat"));
    fs::write(&unit, here).expect("a file");
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output();
    let verified = verified.expect("systemd-analyze (make tools)");
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !said.contains("livechat"), "{said}");
    // Of 100, where less is safer.
    assert_passes("systemd-analyze", &["security", "--offline=true", "--threshold=15", "--no-pager"], &unit);
}

#[test]
fn nginx_takes_its_examples() {
    let output = nginx::check();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a file sets in our environment: `NAME: value`, `NAME=value`.
fn settings(name: &str) -> Vec<(String, String)> {
    let is_name = |name: &str| name.contains('_') && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let text = read(name);
    let words = text.lines().map(str::trim).filter(|line| !line.starts_with('#')).flat_map(|line| {
        let assignments = line.trim_start_matches("ENV ").trim_start_matches("Environment=");
        let one = line.split_once(": ");
        let many = assignments.split(' ').filter_map(|word| word.split_once('='));
        one.into_iter().chain(many).map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
    });
    words.filter(|(name, _)| is_name(name) && name != "REDISCLI_AUTH").collect()
}

#[test]
fn every_setting_in_them_exists_and_has_a_good_value() {
    for (file, least) in
        [("Dockerfile", 3), ("compose.yaml", 3), ("kubernetes.yaml", 4), ("systemd/livechat.service", 2)]
    {
        let settings = settings(file);
        assert!(settings.len() >= least, "this test does not see the settings of {file} any more: {settings:?}");
        for (name, _) in &settings {
            assert!(all().any(|setting| setting.name == name), "{file} sets {name}");
        }
        if let Err(error) = Config::from_values(&settings.into_iter().collect()) {
            panic!("{file}: {error}");
        }
    }
}

/// The first number behind these words.
fn number(file: &str, words: &str) -> u64 {
    let text = read(file);
    let rest = text.split(words).nth(1).unwrap_or_else(|| panic!("{file} does not say {words}"));
    let digits: String = rest.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

#[test]
fn who_stops_a_server_waits_longer_than_it_takes() {
    // What `app` allows beside DRAIN_SECONDS.
    const REST: u64 = 4;
    let compose = number("compose.yaml", "stop_grace_period:");
    assert!(compose > number("compose.yaml", "DRAIN_SECONDS:") + REST);
    let kubernetes = number("kubernetes.yaml", "terminationGracePeriodSeconds:");
    let before = number("kubernetes.yaml", "sleep:");
    assert!(kubernetes > before + number("kubernetes.yaml", "DRAIN_SECONDS:") + REST);
    assert!(number("systemd/livechat.service", "TimeoutStopSec=") > 5 + REST);
}
