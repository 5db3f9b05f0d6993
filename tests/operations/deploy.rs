//! The files in deploy/ and .github/ pass the checkers of their formats, and use existing settings.

use std::collections::HashMap;
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

/// Runs a checker that tests/tools.sh installed. Panics if it finds a problem.
fn assert_passes(tool: &str, arguments: &[&str], file: &Path) {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lint/bin").join(tool);
    let tool = if installed.exists() { installed } else { PathBuf::from(tool) };
    let output = Command::new(&tool)
        .args(arguments)
        .arg(file)
        .output()
        .unwrap_or_else(|error| panic!("this test needs {} (make tools): {error}", tool.display()));
    let output_text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{output_text}");
}

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    assert_passes("hadolint", &[], &deploy("Dockerfile"));
}

#[test]
fn the_compose_file_is_valid() {
    assert_passes("check-jsonschema", &["--builtin-schema", "vendor.compose-spec"], &deploy("compose.yaml"));
}

#[test]
fn the_workflow_and_the_issue_forms_are_valid() {
    let github = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github");
    for (schema, file) in [
        ("vendor.github-workflows", "workflows/ci.yml"),
        ("vendor.github-issue-config", "ISSUE_TEMPLATE/config.yml"),
        ("vendor.github-issue-forms", "ISSUE_TEMPLATE/bug_report.yml"),
        ("vendor.github-issue-forms", "ISSUE_TEMPLATE/feature_request.yml"),
    ] {
        assert_passes("check-jsonschema", &["--builtin-schema", schema], &github.join(file));
    }
}

#[test]
fn the_kubernetes_manifest_is_valid() {
    assert_passes("kubernetes-validate", &["--strict"], &deploy("kubernetes.yaml"));
}

#[test]
fn the_helm_chart_renders_valid_objects_with_existing_settings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("target/lint/bin/python"))
        .arg(root.join("tests/deploy/chart.py"))
        .arg(deploy("helm/livechat"))
        .output()
        .expect("the python of target/lint (make tools)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let (version, ways) = printed.split_once("\n\n").expect("the version, and the settings of each way");
    assert_eq!(version, format!("VERSION={}", env!("CARGO_PKG_VERSION")));
    for way in ways.split("\n\n").filter(|way| !way.trim().is_empty()) {
        let settings: HashMap<_, _> = way
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        assert!(settings.keys().all(|name: &String| all().any(|setting| setting.name == name)), "{way}");
        if let Err(error) = Config::from_values(&settings) {
            panic!("{way}: {error}");
        }
    }
}

#[test]
fn files_and_documents_name_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    for (file, words) in [
        ("deploy/kubernetes.yaml", format!("image: livechat:{version}\n")),
        ("deploy/helm/livechat/README.md", format!("livechat-{version}.tgz")),
        ("docs/operations.md", format!("livechat-{version}-x86_64-linux.tar.gz")),
    ] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a file");
        assert!(text.contains(&words), "{file} does not contain {words}");
    }
}

#[test]
fn shellcheck_finds_nothing_in_the_packaging_scripts() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    for folder in ["", "test", "debian"] {
        for entry in fs::read_dir(packaging.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if matches!(extension, Some("sh" | "postinst" | "postrm")) {
                // Files are sourced by their path from the root of the repository.
                let root = concat!("--source-path=", env!("CARGO_MANIFEST_DIR"));
                assert_passes("shellcheck", &["--external-sources", root], &path);
            }
        }
    }
}

#[test]
fn the_systemd_unit_is_valid_and_hardened() {
    let directory = tempfile::tempdir().expect("a directory");
    let unit = directory.path().join("livechat.service");
    let text = read("systemd/livechat.service");
    let here = text.replace("/usr/local/bin/livechat", env!("CARGO_BIN_EXE_livechat"));
    fs::write(&unit, here).expect("a file");
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output();
    let verified = verified.expect("systemd-analyze (make tools)");
    let output_text = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !output_text.contains("livechat"), "{output_text}");
    // The score is at most 100; less is safer.
    assert_passes("systemd-analyze", &["security", "--offline=true", "--threshold=15", "--no-pager"], &unit);
}

#[test]
fn the_nginx_examples_are_valid() {
    let output = nginx::check();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The settings that a file contains as `NAME: value` or `NAME=value`.
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
fn every_setting_of_the_deployment_files_exists_and_has_a_valid_value() {
    for (file, least) in
        [("Dockerfile", 3), ("compose.yaml", 3), ("kubernetes.yaml", 4), ("systemd/livechat.service", 2)]
    {
        let settings = settings(file);
        assert!(settings.len() >= least, "this test no longer finds the settings of {file}: {settings:?}");
        for (name, _) in &settings {
            assert!(all().any(|setting| setting.name == name), "{file} sets {name}");
        }
        if let Err(error) = Config::from_values(&settings.into_iter().collect()) {
            panic!("{file}: {error}");
        }
    }
}

/// The first number after these words.
fn number(file: &str, words: &str) -> u64 {
    let text = read(file);
    let rest = text.split(words).nth(1).unwrap_or_else(|| panic!("{file} does not contain {words}"));
    let digits: String = rest.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

#[test]
fn supervisors_wait_longer_than_a_shutdown_takes() {
    // The time that src/app.rs allows in addition to DRAIN_SECONDS.
    const AFTER_DRAIN: u64 = 4;
    let compose = number("compose.yaml", "stop_grace_period:");
    assert!(compose > number("compose.yaml", "DRAIN_SECONDS:") + AFTER_DRAIN);
    let kubernetes = number("kubernetes.yaml", "terminationGracePeriodSeconds:");
    let before = number("kubernetes.yaml", "sleep:");
    assert!(kubernetes > before + number("kubernetes.yaml", "DRAIN_SECONDS:") + AFTER_DRAIN);
    assert!(number("systemd/livechat.service", "TimeoutStopSec=") > 5 + AFTER_DRAIN);
}
