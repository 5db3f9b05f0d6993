//! Hundreds of lost connections: no event is missed or repeated, and no message is sent twice.

use std::collections::HashSet;
use std::time::Duration;

use livechat_client::{Change, Connection, NewRoom, Timing};
use tokio::time::sleep;

use crate::support::proxy::Proxy;
use crate::support::server::Server;
use crate::support::{client, client_with, guest, owner, quick, take, within};

const CUTS: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_cuts_lose_and_repeat_nothing() {
    let server = Server::start();
    let proxy = Proxy::to(&server).await;
    let key = client(server.url()).create_room(NewRoom::default()).await.expect("a room");
    let timing = Timing { min_retry: Duration::from_millis(1), max_retry: Duration::from_millis(4), ..quick() };
    let room = client_with(proxy.url(), timing).join(owner(&key, "Ada")).await.expect("the room");
    let witness = client(server.url()).join(guest(&key, "Grace")).await.expect("the room");
    let (mut events, mut truth) = (room.events(), witness.events());
    let mut sendings = Vec::new();
    for number in 0..CUTS {
        // The room sends and reads through the cuts, while others write, too.
        sendings.push(room.send(format!("mine {number}")));
        if number % 5 == 0 {
            sendings.push(witness.send(format!("other {number}")));
        }
        sleep(Duration::from_micros(rand::random_range(0..5_000))).await;
        let accepted = proxy.accepted();
        proxy.cut();
        let is_back = async {
            while proxy.accepted() == accepted || room.state().connection != Connection::Live {
                sleep(Duration::from_millis(1)).await;
            }
        };
        within(is_back).await;
    }
    let count = sendings.len();
    for sending in sendings {
        within(sending).await.expect("a message");
    }
    let (events, truth) = (take(&mut events, count).await, take(&mut truth, count).await);
    let cursors: Vec<_> = events.iter().map(|event| &event.cursor).collect();
    assert_eq!(cursors, truth.iter().map(|event| &event.cursor).collect::<Vec<_>>());
    assert!(events.iter().all(|event| matches!(event.change, Change::MessageSent(_))));
    let texts: Vec<_> = events.iter().filter_map(|event| event.change.message()?.text.as_deref()).collect();
    assert_eq!(texts.iter().collect::<HashSet<_>>().len(), count);
    let mine: Vec<_> = texts.into_iter().filter(|text| text.starts_with("mine")).collect();
    assert_eq!(mine, (0..CUTS).map(|number| format!("mine {number}")).collect::<Vec<_>>());
    assert_eq!(room.state().messages.len(), count);
}
