//! `livechat healthcheck`: requests `/readyz` from a running server, for supervisors that can only run a command.
//!
//! Over TLS it accepts any certificate, like the probes of Kubernetes: it connects to an address of this machine, which no
//! certificate names, and sends no secret. So it needs no access to the files of the certificate, and stays right while they are
//! replaced.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Time for the whole check.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Largest response that is read, in bytes.
const RESPONSE_MAX: u64 = 16 * 1024;

/// Checks the server that listens on `address`, over TLS or not, and prints the result in one sentence.
#[tokio::main(flavor = "current_thread")]
pub async fn run(address: SocketAddr, has_tls: bool) -> ExitCode {
    if address.port() == 0 {
        eprintln!("livechat: LISTEN_ADDR has port 0, so the port of the server is unknown; set a fixed port");
        return ExitCode::FAILURE;
    }
    let address = connectable(address);
    match timeout(TIMEOUT, request(address, has_tls)).await {
        Ok(Ok(response)) => match status(&response) {
            Some(200) => {
                println!("The server at {address} is ready.");
                return ExitCode::SUCCESS;
            }
            Some(status) => eprintln!("livechat: the server at {address} is not ready: {status}, {}", body(&response)),
            None => eprintln!("livechat: the program that listens at {address} does not speak HTTP"),
        },
        Ok(Err(error)) => eprintln!("livechat: no server can be reached at {address}: {error}"),
        Err(_) => eprintln!("livechat: the server at {address} did not answer within {} s", TIMEOUT.as_secs()),
    }
    ExitCode::FAILURE
}

/// The loopback address for an unspecified one, like 0.0.0.0, to which nothing can connect.
fn connectable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn request(address: SocketAddr, has_tls: bool) -> io::Result<String> {
    let connection = TcpStream::connect(address).await?;
    if !has_tls {
        return request_over(connection, address).await;
    }
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    let name = ServerName::from(address.ip());
    request_over(TlsConnector::from(Arc::new(config)).connect(name, connection).await?, address).await
}

async fn request_over(mut connection: impl AsyncRead + AsyncWrite + Unpin, address: SocketAddr) -> io::Result<String> {
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    connection.take(RESPONSE_MAX).read_to_end(&mut response).await?;
    Ok(String::from_utf8_lossy(&response).into_owned())
}

/// Accepts any certificate whose key the server has.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn status(response: &str) -> Option<u16> {
    response.strip_prefix("HTTP/1.1 ")?.split_whitespace().next()?.parse().ok()
}

/// The body of `/readyz`: one line with the reason.
fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim())
}
