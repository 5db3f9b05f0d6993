//! tests/tools.sh on machines with missing or old programs, with fake programs.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A fake `python3 -m venv --clear DIRECTORY`: in the environment it creates, `pip` installs nothing and `python` prints the path
/// of a fake Node.js package.
const PYTHON: &str = r#"#!/bin/sh
[ "$1" = -c ] && exit 0
mkdir -p "$4/bin" "$4/wheel/bin" "$4/wheel/lib/node_modules/npm/bin"
printf '#!/bin/sh\nexit 0\n' >"$4/bin/pip"
printf '#!/bin/sh\necho "%s"\n' "$PWD/$4/wheel" >"$4/bin/python"
printf '#!/bin/sh\necho "v24.0.0 $*"\n' >"$4/wheel/bin/node"
chmod +x "$4/bin/pip" "$4/bin/python" "$4/wheel/bin/node"
"#;

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a program");
}

/// A fake machine with a few programs and a checkout.
struct Machine(TempDir);

impl Machine {
    /// A machine with this version of Node.js, or without it.
    fn with_node(version: Option<&str>) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let programs = root.path().join("programs");
        fs::create_dir_all(&programs).expect("a directory");
        for name in ["sh", "mkdir", "printf", "chmod", "cp", "cmp", "ln", "dirname", "id", "rm"] {
            let from = ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(name));
            symlink(from.iter().find(|path| path.exists()).expect("a standard program"), programs.join(name))
                .expect("a link");
        }
        for name in
            ["redis-server", "nginx", "systemd-analyze", "openssl", "valgrind", "promtool", "chromium", "firefox-esr"]
        {
            write_program(&programs.join(name), "#!/bin/sh\nexit 0\n");
        }
        for name in ["apt-get", "sudo"] {
            write_program(&programs.join(name), "#!/bin/sh\necho \"$0 was called\" >&2\nexit 1\n");
        }
        write_program(&programs.join("python3"), PYTHON);
        if let Some(version) = version {
            // Runs the real Node.js with a fake version number.
            let text = format!(
                "#!/bin/sh\nexec env PATH='{}' node -r '{}' \"$@\"\n",
                std::env::var("PATH").expect("a PATH"),
                root.path().join("version.js").display()
            );
            let fake_version = format!("Object.defineProperty(process.versions, 'node', {{ value: '{version}' }});");
            fs::write(root.path().join("version.js"), fake_version).expect("a file");
            write_program(&programs.join("node"), &text);
            symlink("/usr/bin/env", programs.join("env")).expect("a link");
            write_program(&programs.join("npm"), "#!/bin/sh\nexit 0\n");
        }
        let checkout = root.path().join("checkout");
        for list in ["node.txt", "schemathesis.txt", "deploy/requirements.txt", "python/gql/requirements.txt"]
            .into_iter()
            .chain(["python/generated/requirements.txt", "python/identity/requirements.txt", "tools.sh"])
        {
            let (from, to) =
                (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(list), checkout.join("tests").join(list));
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            fs::copy(from, to).expect("a copy");
        }
        fs::create_dir(checkout.join("target")).expect("a directory");
        Self(root)
    }

    fn run(&self, program: &Path) -> Output {
        let programs = self.0.path().join("programs");
        let mut command = Command::new(program);
        let browsers = [("CHROMIUM", "chromium"), ("FIREFOX", "firefox-esr")]
            .map(|(name, program)| (name, programs.join(program)));
        command.env_clear().envs(browsers).env("PATH", programs);
        command.current_dir(self.0.path().join("checkout")).output().expect("a program")
    }
}

#[test]
fn a_missing_or_old_node_is_replaced_without_root() {
    for (version, is_new) in [
        (None, false),
        (Some("18.19.0"), false),
        (Some("20.18.3"), false),
        (Some("20.19.0"), true),
        (Some("24.1.0"), true),
    ] {
        let machine = Machine::with_node(version);
        let checkout = machine.0.path().join("checkout");
        // Twice, because every `make test` runs the script.
        for _ in 0..2 {
            let output = machine.run(&checkout.join("tests/tools.sh"));
            assert!(output.status.success(), "{version:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let node = checkout.join("target/node/bin/node");
        assert_eq!(node.exists(), !is_new, "{version:?}");
        if !is_new {
            let output = machine.run(&node).stdout;
            assert!(output.starts_with(b"v24.0.0"), "{version:?}");
            for name in ["npm", "npx"] {
                let output = machine.run(&checkout.join("target/node/bin").join(name)).stdout;
                let output = String::from_utf8_lossy(&output).into_owned();
                assert!(output.starts_with("v24.0.0 ") && output.contains(&format!("{name}-cli.js")), "{output}");
            }
        }
    }
}

#[test]
fn make_puts_its_own_node_first_in_the_path() {
    let checkout = env!("CARGO_MANIFEST_DIR");
    let output = Command::new("make")
        .args(["--no-print-directory", "-C", checkout, "--eval", "show-path: ; @echo $$PATH", "show-path"])
        .output()
        .expect("make");
    let output = String::from_utf8_lossy(&output.stdout);
    assert!(output.starts_with(&format!("{checkout}/target/node/bin:")), "{output}");
}
