//! `livechat healthcheck`: requests `/readyz` from a running server, for supervisors that can only run a command.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time for the whole check.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Largest response that is read, in bytes.
const RESPONSE_MAX: u64 = 16 * 1024;

/// Checks the server that listens on `address`, and prints the result in one sentence.
#[tokio::main(flavor = "current_thread")]
pub async fn run(address: SocketAddr) -> ExitCode {
    if address.port() == 0 {
        eprintln!("livechat: LISTEN_ADDR has port 0, so the port of the server is unknown; set a fixed port");
        return ExitCode::FAILURE;
    }
    let address = connectable(address);
    match timeout(TIMEOUT, request(address)).await {
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

async fn request(address: SocketAddr) -> io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    connection.take(RESPONSE_MAX).read_to_end(&mut response).await?;
    Ok(String::from_utf8_lossy(&response).into_owned())
}

fn status(response: &str) -> Option<u16> {
    response.strip_prefix("HTTP/1.1 ")?.split_whitespace().next()?.parse().ok()
}

/// The body of `/readyz`: one line with the reason.
fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim())
}
