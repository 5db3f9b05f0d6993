//! nginx in front of test servers, with the configuration of deploy/nginx, on free ports. It stops when dropped.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::TIMEOUT;

/// A running `nginx`.
pub struct Nginx {
    process: Child,
    address: String,
    site: String,
    directory: TempDir,
}

impl Nginx {
    /// Starts nginx in front of the servers at these addresses.
    pub fn before(servers: &[&str]) -> Self {
        Self::start(|directory, address, site| configure(directory, address, site, servers))
    }

    /// Starts nginx with a minimal configuration, which has nothing but the address of the server.
    pub fn minimal_before(server: &str) -> Self {
        Self::with_directives(server, "")
    }

    /// The same, with these directives for every request.
    pub fn with_directives(server: &str, directives: &str) -> Self {
        Self::start(|directory, address, _| {
            let location = format!("location / {{ proxy_pass http://{server}; {directives} }}");
            write_configuration(directory, &format!("server {{ listen {address}; {location} }}"))
        })
    }

    /// Starts nginx with the configuration that `configure` writes to a directory, for two addresses.
    fn start(configure: impl Fn(&Path, &str, &str) -> PathBuf) -> Self {
        // Another process may take a free port before nginx uses it.
        for _ in 0..5 {
            let directory = tempfile::tempdir().expect("a directory for nginx");
            let (address, site) = (free_address(), free_address());
            let configuration = configure(directory.path(), &address, &site);
            let process = nginx(directory.path(), &configuration)
                .stderr(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("this test needs nginx (make tools): {error}"));
            let mut nginx = Self { process, address, site, directory };
            if nginx.wait_until_ready() {
                return nginx;
            }
        }
        panic!("nginx did not start on any port");
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Host and port of a site with LiveChat below `/chat/`.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// Returns whether nginx is ready, or `false` if it has ended.
    fn wait_until_ready(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < TIMEOUT {
            if self.process.try_wait().expect("a process of our own").is_some() {
                return false;
            }
            if self.directory.path().join("nginx.pid").exists() && TcpStream::connect(&self.address).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // On SIGTERM the master also stops its workers; on SIGKILL it does not.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// Runs nginx's own check of the files in deploy/nginx.
pub fn check() -> Output {
    let directory = tempfile::tempdir().expect("a directory for nginx");
    let configuration = configure(directory.path(), &free_address(), &free_address(), &["127.0.0.1:1"]);
    nginx(directory.path(), &configuration).arg("-t").output().expect("nginx (make tools)")
}

fn nginx(directory: &Path, configuration: &Path) -> Command {
    let debian = Path::new("/usr/sbin/nginx");
    let mut nginx = Command::new(if debian.exists() { debian } else { Path::new("nginx") });
    nginx.arg("-p").arg(directory).arg("-e").arg(directory.join("error.log")).arg("-c").arg(configuration);
    nginx.stdin(Stdio::null()).stdout(Stdio::null());
    nginx
}

/// Writes the examples with other addresses, the one for a sub-path inside a server block of its own.
fn configure(directory: &Path, address: &str, site: &str, servers: &[&str]) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nginx");
    let example = |name| fs::read_to_string(examples.join(name)).expect("an example");
    let servers: String = servers.iter().map(|server| format!("server {server};")).collect();
    let whole = replace_once(&example("livechat.conf"), "server livechat:8001;", &servers);
    let whole = replace_once(&whole, "listen 8080;", &format!("listen {address};"));
    fs::write(directory.join("livechat.conf"), whole).expect("a file");
    fs::write(directory.join("sub-path.conf"), example("livechat-sub-path.conf")).expect("a file");
    let here = directory.display();
    write_configuration(
        directory,
        &format!("include {here}/livechat.conf;\nserver {{ listen {site}; include {here}/sub-path.conf; }}"),
    )
}

/// Writes a configuration with these servers.
fn write_configuration(directory: &Path, servers: &str) -> PathBuf {
    let here = directory.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {here}/{name};\n"))
        .collect();
    let main = format!(
        "daemon off; worker_processes 1; pid {here}/nginx.pid; user {};\nevents {{ worker_connections 512; }}\n\
         http {{\naccess_log off;\n{temporary}{servers}\n}}\n",
        user()
    );
    let path = directory.join("nginx.conf");
    fs::write(&path, main).expect("a file");
    path
}

fn replace_once(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "the example must contain {from:?} once");
    text.replace(from, to)
}

/// The user that runs the tests and owns the directory, for the workers.
fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("the id command");
    String::from_utf8(output.stdout).expect("a name").trim().to_owned()
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}
