//! A way to a server that is cut after so many bytes, wherever in a message that is.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, copy};
use tokio::net::{TcpListener, TcpStream};

/// Connects to a server. The line passes on so many bytes of what the server says; then both of its ends are reset. It
/// ends with either end.
pub async fn connect_for(server: &str, bytes: u64) -> io::Result<TcpStream> {
    let door = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(door.local_addr()?).await?;
    let ((mut near, _), mut far) = (door.accept().await?, TcpStream::connect(server).await?);
    reset_when_dropped(&near)?;
    reset_when_dropped(&far)?;
    tokio::spawn(async move {
        let (mut from_client, mut to_client) = near.split();
        let (from_server, mut to_server) = far.split();
        let mut allowed = from_server.take(bytes);
        tokio::select! {
            _ = copy(&mut from_client, &mut to_server) => {}
            _ = copy(&mut allowed, &mut to_client) => {}
        }
    });
    Ok(client)
}

/// The line will not end politely: whatever is under way on it is thrown away.
pub fn reset_when_dropped(line: &TcpStream) -> io::Result<()> {
    SockRef::from(line).set_linger(Some(Duration::ZERO))
}
