//! A certificate authority for one test. Its certificates are PEM files in a temporary directory.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// A certificate authority. Its own certificate is in `ca.pem`.
pub struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory for certificates");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("authority {}", rand::random::<u32>()));
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).expect("a file");
        Self { directory, issuer: Issuer::new(params, key) }
    }

    /// Signs a certificate for a host name or address. Writes `{file}.pem` and `{file}.key`.
    pub fn sign(&self, file: &str, name: &str) {
        self.sign_until(file, name, 4000);
    }

    /// Like [`sign`](Self::sign), with a certificate that expires at the beginning of this year.
    pub fn sign_until(&self, file: &str, name: &str, year: i32) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(self.file(&format!("{file}.pem")), certificate.pem()).expect("a file");
        std::fs::write(self.file(&format!("{file}.key")), key.serialize_pem()).expect("a file");
    }

    /// The path of a file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The path of a file as text, for a setting.
    pub fn setting(&self, name: &str) -> String {
        self.file(name).to_str().expect("text").to_owned()
    }
}
