//! Reads of the last 50 of 1,000 messages: 32 connections, each of which reads again as soon as it has a response.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use crate::client::Client;
use crate::compare::{Round, Work, compare};
use crate::contestants::ALL;
use crate::protocol::{PAGE, Request};
use crate::readers::count_messages;
use crate::target::Target;

const CONNECTIONS: usize = 32;
const MESSAGES: usize = 1_000;
const SENDERS: usize = 8;
const READS_EACH: usize = 60;
const ROUNDS: usize = 7;
const TIME_LIMIT: Duration = Duration::from_secs(60);

struct Read;

struct Rig {
    clients: Vec<Client>,
    request: Request,
}

impl Work for Read {
    type Rig = Rig;

    const UNIT: &'static str = "a read";

    async fn prepare(&self, target: &Target) -> Rig {
        let room = target.new_room().await;
        target.fill(&room, MESSAGES, SENDERS).await;
        let clients = join_all((0..CONNECTIONS).map(|_| target.client())).await;
        Rig { clients, request: target.contestant.protocol.read_request(&room) }
    }

    async fn round(&self, _: &Target, rig: &mut Rig) -> Round {
        let request = &rig.request;
        let bytes = join_all(rig.clients.iter_mut().map(async |client| {
            let mut bytes = 0;
            for _ in 0..READS_EACH {
                let response = client.request(request).await;
                assert_eq!(count_messages(&response), PAGE, "{response}");
                bytes = response.len();
            }
            bytes
        }))
        .await;
        Round { units: CONNECTIONS * READS_EACH, figures: vec![("response_bytes", bytes[0] as f64)] }
    }
}

pub async fn run() -> Value {
    compare(&Read, ALL, ROUNDS, TIME_LIMIT).await
}
