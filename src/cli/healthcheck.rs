//! `livechat healthcheck`: asks a running server whether it is ready, for supervisors that can only start a command.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the server has to answer, in all.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of an answer that are read, at most.
const ANSWER_MAX: u64 = 16 * 1024;

/// Asks the server that listens at `address`, and says in one sentence how it is.
#[tokio::main(flavor = "current_thread")]
pub async fn run(address: SocketAddr) -> ExitCode {
    if address.port() == 0 {
        eprintln!("livechat: LISTEN_ADDR has port 0, so it cannot be known where the server listens");
        return ExitCode::FAILURE;
    }
    let address = reachable(address);
    match timeout(PATIENCE, ask(address)).await {
        Ok(Ok(answer)) => match status(&answer) {
            Some(200) => {
                println!("The server at {address} is ready.");
                return ExitCode::SUCCESS;
            }
            Some(status) => eprintln!("livechat: the server at {address} is not ready: {status}, {}", reason(&answer)),
            None => eprintln!("livechat: what listens at {address} does not speak HTTP"),
        },
        Ok(Err(error)) => eprintln!("livechat: no server can be reached at {address}: {error}"),
        Err(_) => eprintln!("livechat: the server at {address} did not answer within {} s", PATIENCE.as_secs()),
    }
    ExitCode::FAILURE
}

/// Who listens at every address listens at the loopback address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn ask(address: SocketAddr) -> io::Result<String> {
    let mut line = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    line.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    line.take(ANSWER_MAX).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.split_whitespace().next()?.parse().ok()
}

/// The body of `/readyz` is one line that says why.
fn reason(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim())
}
