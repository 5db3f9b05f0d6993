//! The memory of an idle subscribed socket over plain HTTP, TLS and HTTP/2. Run it with `make socket-memory`.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::support::client::{Client, RoomKey};
use crate::support::memory::resident_bytes;
use crate::support::server::Server;
use crate::support::socket::{Socket, events_of};
use crate::support::tls::TlsServer;

const ROOMS: usize = 40;
const SOCKETS: usize = 800;
/// Time until memory no longer changes.
const SETTLING: Duration = Duration::from_secs(2);

/// Subscribes to one of the rooms.
async fn subscribe<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: Socket<S>,
    number: usize,
    rooms: &[RoomKey],
) -> Socket<S> {
    socket.init(json!({})).await;
    socket.subscribe("1", &events_of(&rooms[number % ROOMS]), json!({})).await;
    socket
}

async fn new_rooms(client: &Client) -> Vec<RoomKey> {
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        rooms.push(client.create_room().await);
    }
    rooms
}

/// Runs `open`, which opens [`SOCKETS`] sockets and returns them, and prints the growth of the server's memory.
async fn measure<T>(name: &str, server: &Server, client: &Client, rooms: &[RoomKey], open: impl Future<Output = T>) {
    tokio::time::sleep(SETTLING).await;
    let before = resident_bytes(server.process_id());
    let sockets = open.await;
    for room in rooms {
        client.wait_for_viewers(room, SOCKETS / ROOMS).await;
    }
    tokio::time::sleep(SETTLING).await;
    let growth = resident_bytes(server.process_id()) - before;
    println!("{name}: {:.1} KiB", growth as f64 / 1024.0 / SOCKETS as f64);
    drop(sockets);
}

#[tokio::test]
#[ignore = "a measurement, run by `make socket-memory`"]
async fn memory_of_idle_sockets() {
    let plain = Server::with(&[]);
    let client = plain.client();
    let rooms = new_rooms(&client).await;
    let open = async {
        let mut sockets = Vec::new();
        for number in 0..SOCKETS {
            sockets.push(subscribe(Socket::open(plain.address()).await, number, &rooms).await);
        }
        sockets
    };
    measure("plain HTTP/1.1", &plain, &client, &rooms, open).await;

    let tls = TlsServer::with(&[]);
    let tunnel = tls.tunnel().await;
    let client = Client::at(&tunnel.address());
    let rooms = new_rooms(&client).await;
    let open = async {
        let mut sockets = Vec::new();
        for number in 0..SOCKETS {
            sockets.push(subscribe(Socket::open(&tunnel.address()).await, number, &rooms).await);
        }
        sockets
    };
    measure("TLS, HTTP/1.1", &tls.server, &client, &rooms, open).await;

    for per_connection in [1, 10] {
        let tls = TlsServer::with(&[]);
        let tunnel = tls.tunnel().await;
        let client = Client::at(&tunnel.address());
        let rooms = new_rooms(&client).await;
        let open = async {
            let (mut connections, mut sockets) = (Vec::new(), Vec::new());
            for number in 0..SOCKETS {
                if number % per_connection == 0 {
                    connections.push(tls.http2().await);
                }
                let socket = connections.last().expect("a connection").web_socket().await;
                sockets.push(subscribe(socket, number, &rooms).await);
            }
            (connections, sockets)
        };
        measure(&format!("TLS, HTTP/2, {per_connection} per connection"), &tls.server, &client, &rooms, open).await;
    }
}
