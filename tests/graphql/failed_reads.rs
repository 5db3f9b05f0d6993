//! Reads of the store that fail while a message is rendered: a stable code, nothing about the cause, one line in the log.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing::subscriber::DefaultGuard;

use crate::security::panics::TestServer;
use crate::store::conformance::faulty::OUTAGE;
use crate::support::client::{User, error_code};
use crate::support::socket::Socket;

/// The log of this thread, which runs the whole service.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// The lines about the failed reads.
    fn failures(&self) -> usize {
        let log = String::from_utf8(self.0.lock().expect("no panic").clone()).expect("text");
        assert!(!log.contains("ERROR"), "{log}");
        log.lines().filter(|line| line.contains(OUTAGE)).count()
    }
}

#[tokio::test]
async fn a_failed_read_of_reactions_has_a_stable_code_and_is_logged_once() {
    let (log, _guard) = Log::start();
    let server = TestServer::start().await;
    let (client, mut ada) = (&server.client, User::of(server.client.clone()));
    let room = client.create_room().await;
    for n in 0..3 {
        ada.send(&room, &format!("message {n}")).await;
    }
    let start = client.cursor(&room).await;
    server.store.set_down(true);
    let page = format!(
        r#"{{ room(id: "{}", code: "{}") {{ messages {{ nodes {{ text reactionsBy(userId: "bob-0123456789") }} }} }} }}"#,
        room.id, room.code
    );
    let failed = client.request(&page, json!({})).await;
    assert_eq!(error_code(&failed), "UNAVAILABLE");
    assert!(!failed.to_string().contains(OUTAGE), "{failed}");
    assert_eq!(log.failures(), 1, "the page is read once");

    let events = format!(
        r#"subscription {{ roomEvents(roomId: "{}", roomCode: "{}", after: "{start}") {{
            ... on MessageSent {{ message {{ text reactionsBy(userId: "bob-0123456789") }} }} }} }}"#,
        room.id, room.code
    );
    let mut socket = Socket::ready(&server.address).await;
    server.store.set_down(false);
    socket.subscribe("1", &events, json!({})).await;
    client.wait_for_viewers(&room, 1).await;
    server.store.set_down(true);
    ada.send(&room, "live").await;
    assert_eq!(socket.refusal("1").await, "UNAVAILABLE");
    assert!(!socket.raw.contains(OUTAGE), "{}", socket.raw);
    assert_eq!(log.failures(), 2, "the event is read once");

    // The subscription resumes with the event that could not be shown.
    server.store.set_down(false);
    socket.subscribe("2", &events, json!({})).await;
    let event = socket.receive().await;
    let shown = &event["payload"]["data"]["roomEvents"]["message"];
    assert_eq!(shown, &json!({ "text": "live", "reactionsBy": [] }), "{event}");
}
