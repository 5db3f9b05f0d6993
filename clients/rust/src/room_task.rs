//! The task of a room: reads it, follows its events and its presence, and sends what waits in the outbox.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::connection::Update;
use crate::model::{EventsData, RoomData, Shared};
use crate::operations::{EVENTS, JOIN, PRESENCE, ROOM, SEND};
use crate::outbox::Draft;
use crate::presence::PresenceData;
use crate::{Connection, Error, ErrorCode, Timing};

/// Shortest time between two announcements that the user is typing. The server shows one for five seconds.
const TYPING_INTERVAL: Duration = Duration::from_secs(3);

/// Serves a room until it ends or is refused.
pub(crate) async fn run(shared: &Shared, is_visible: bool, timing: Timing) {
    match serve(shared, is_visible, timing).await {
        Ok(()) => shared.close(Connection::Ended, None),
        Err(error) if error.code == ErrorCode::RoomNotFound => shared.close(Connection::Ended, Some(error)),
        Err(error) => shared.close(Connection::Closed, Some(error)),
    }
}

async fn serve(shared: &Shared, is_visible: bool, timing: Timing) -> Result<(), Error> {
    let late = |_| Error::new(ErrorCode::Timeout, "The identity was not returned in time.");
    timeout(timing.request, shared.requests.user.prepare()).await.map_err(late)??;
    read(shared).await?;
    shared.set_joined();
    tokio::select! {
        result = follow_events(shared) => result,
        never = follow_presence(shared, is_visible) => match never {},
        never = send_messages(shared) => match never {},
    }
}

async fn read(shared: &Shared) -> Result<(), Error> {
    let variables = json!({ "userId": shared.requests.user.id() });
    shared.load(shared.requests.read::<RoomData>(ROOM, variables).await?);
    Ok(())
}

/// Follows the log of the room until the room ends.
async fn follow_events(shared: &Shared) -> Result<(), Error> {
    let started = || shared.set_connection(Connection::Live, None);
    let lost = |error: &Error| shared.set_connection(Connection::Lost, Some(error.clone()));
    loop {
        let variables = || json!({ "after": shared.read().cursor() });
        let apply = |data: EventsData| shared.apply(data.room_events);
        match follow(shared, EVENTS, variables, started, apply, lost).await {
            Err(error) if error.code == ErrorCode::CursorInvalid => {
                read(shared).await?;
                shared.announce_reload();
            }
            result => return result,
        }
    }
}

/// Follows who is in the room, and shows the user there if `is_visible`.
async fn follow_presence(shared: &Shared, is_visible: bool) -> Infallible {
    loop {
        let token = if is_visible { register(shared).await } else { None };
        let variables = || json!({ "presenceToken": token });
        let apply = |data: PresenceData| shared.apply_presence(data.presence);
        let result = tokio::select! {
            result = follow(shared, PRESENCE, variables, || {}, apply, |_| {}) => result,
            never = announce_typing(shared, token.as_deref()) => match never {},
        };
        if !matches!(result, Err(error) if error.code == ErrorCode::PresenceTokenInvalid) {
            // The room has ended, or nothing can be done about it: the room is read without its presence.
            return pending().await;
        }
    }
}

/// Registers the user in the room. Returns the token for its presence; `None` if the others cannot see it, because it is banned or
/// the room is full.
async fn register(shared: &Shared) -> Option<String> {
    shared.requests.act(JOIN, json!({}), true).await.ok()?.presence_token
}

async fn announce_typing(shared: &Shared, token: Option<&str>) -> Infallible {
    let Some(token) = token else { return pending().await };
    loop {
        shared.typed.notified().await;
        let announced_at = Instant::now();
        shared.requests.announce_typing(token).await;
        sleep(TYPING_INTERVAL.saturating_sub(announced_at.elapsed())).await;
    }
}

/// Follows a subscription until it completes or is refused. Subscribes again after transient errors.
async fn follow<T: DeserializeOwned>(
    shared: &Shared,
    document: &'static str,
    variables: impl Fn() -> serde_json::Value,
    started: impl Fn(),
    mut next: impl FnMut(T),
    lost: impl Fn(&Error),
) -> Result<(), Error> {
    let mut refusals = 0;
    loop {
        let result: Result<(), Error> = async {
            let mut operation = shared.requests.subscribe(document, variables()).await?;
            loop {
                match operation.next().await? {
                    Update::Started => started(),
                    Update::Data(data) => next(serde_json::from_value(data)?),
                    Update::Completed => return Ok(()),
                }
            }
        }
        .await;
        match result {
            // The next server may not fail.
            Err(error) if error.code.is_transient() || error.code == ErrorCode::Internal => {
                lost(&error);
                refusals = if error.code == ErrorCode::Network { 0 } else { refusals + 1 };
                shared.requests.backoff().pause(refusals, &error).await;
            }
            result => return result,
        }
    }
}

/// Sends the messages of the outbox, one after the other.
async fn send_messages(shared: &Shared) -> Infallible {
    loop {
        let next = shared.read().outbox.next();
        match next {
            Some(draft) => send(shared, draft).await,
            None => shared.outbox_filled.notified().await,
        }
    }
}

async fn send(shared: &Shared, Draft { client_message_id: id, text, reply_to_id }: Draft) {
    if let Some(loss) = shared.requests.loss() {
        shared.change(|model| model.outbox.set_waiting(&id, loss));
    }
    let input = json!({ "clientMessageId": id, "text": text, "replyToId": reply_to_id });
    let result = shared.requests.act_once(SEND, input, true).await.and_then(|payload| payload.into_message());
    match result {
        Ok(message) => shared.change(|model| {
            let message = model.messages.put(message, None);
            model.outbox.confirm(&id, &message);
        }),
        Err(error) => {
            // A message that was discarded may have been sent already. Then it arrives like any other.
            if let Some(failures) = shared.change(|model| model.outbox.record_failure(&id, &error)) {
                shared.requests.backoff().pause(failures, &error).await;
            }
        }
    }
}
