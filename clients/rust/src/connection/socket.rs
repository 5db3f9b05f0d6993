//! Operations over one open WebSocket, and how its silence is noticed.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::connect::{Stream, describe};
use super::protocol::{self, ServerMessage};
use super::{Start, Update};
use crate::{Error, Timing};

/// How long a connection without operations stays open.
const IDLE: Duration = Duration::from_secs(10);

type Updates = mpsc::Sender<Result<Update, Error>>;

/// An open WebSocket.
pub(super) struct Socket<'a> {
    pub(super) stream: Stream,
    pub(super) state: &'a mut State,
}

/// What is known about the operations of a WebSocket and about its silence.
pub(super) struct State {
    timing: Timing,
    operations: HashMap<u64, Updates>,
    last_id: u64,
    idle_since: Instant,
    last_received: Instant,
    /// When the socket counts as lost unless a message arrives before.
    deadline: Option<Instant>,
    had_second_chance: bool,
}

impl State {
    pub(super) fn new(timing: Timing) -> Self {
        let now = Instant::now();
        Self {
            timing,
            operations: HashMap::new(),
            last_id: 0,
            idle_since: now,
            last_received: now,
            deadline: None,
            had_second_chance: false,
        }
    }

    /// Ends all operations with this error.
    pub(super) fn fail_all(&mut self, error: &Error) {
        for (_, updates) in self.operations.drain() {
            // If its queue is full, the end of the queue says the same.
            let _ = updates.try_send(Err(error.clone()));
        }
    }
}

impl Socket<'_> {
    /// Serves operations. Returns `Ok` when the connection is no longer needed.
    pub(super) async fn run(&mut self, starts: &mut mpsc::Receiver<Start>, released: &Notify) -> Result<(), Error> {
        let mut ticks = Ticks::new(&self.state.timing);
        loop {
            tokio::select! {
                message = self.stream.next() => match message {
                    Some(Ok(message)) => self.receive(message).await?,
                    Some(Err(error)) => return Err(Error::network(describe(&error))),
                    None => return Err(Error::network("it has closed the connection")),
                },
                start = starts.recv() => match start {
                    Some(start) => self.start(start).await?,
                    None => return self.close().await,
                },
                () = released.notified() => self.stop_released().await?,
                is_late = ticks.next() => {
                    if self.state.operations.is_empty() && self.state.idle_since.elapsed() > IDLE {
                        return self.close().await;
                    }
                    self.check_silence(is_late).await?;
                }
            }
        }
    }

    pub(super) async fn start(&mut self, Start { document, variables, updates }: Start) -> Result<(), Error> {
        if updates.is_closed() {
            return Ok(());
        }
        self.state.last_id += 1;
        let id = self.state.last_id;
        let message = protocol::subscribe(id, document, &variables);
        // The queue is empty. If nobody reads it from now on, the operation is stopped soon.
        let _ = updates.try_send(Ok(Update::Started));
        self.state.operations.insert(id, updates);
        self.write(message).await
    }

    async fn receive(&mut self, message: Message) -> Result<(), Error> {
        self.state.last_received = Instant::now();
        self.state.deadline = None;
        self.state.had_second_chance = false;
        let Message::Text(text) = message else { return protocol::check_control(&message) };
        let message = serde_json::from_str(&text);
        match message.map_err(|error| Error::network(format_args!("its message is not understood: {error}")))? {
            ServerMessage::ConnectionAck | ServerMessage::Pong => {}
            ServerMessage::Ping => self.write(protocol::pong()).await?,
            ServerMessage::Next { id, payload } => match payload.errors.into_iter().next() {
                Some(error) => self.end(&id, Err(error.into())).await?,
                None => self.deliver(&id, payload.data).await?,
            },
            ServerMessage::Error { id, payload } => {
                let error = payload.into_iter().next().map_or_else(|| Error::network("no reason"), Error::from);
                self.end(&id, Err(error)).await?;
            }
            ServerMessage::Complete { id } => self.end(&id, Ok(Update::Completed)).await?,
        }
        Ok(())
    }

    /// Passes data on to its operation, if somebody still reads it.
    async fn deliver(&mut self, id: &str, data: serde_json::Value) -> Result<(), Error> {
        if let Some(updates) = id.parse().ok().and_then(|id: u64| self.state.operations.get(&id)) {
            // Waits for a slow reader: meanwhile, the server keeps what follows.
            let _ = updates.send(Ok(Update::Data(data))).await;
        }
        Ok(())
    }

    async fn end(&mut self, id: &str, end: Result<Update, Error>) -> Result<(), Error> {
        if let Some(updates) = id.parse().ok().and_then(|id: u64| self.state.operations.remove(&id)) {
            self.state.idle_since = Instant::now();
            let _ = updates.send(end).await;
        }
        Ok(())
    }

    /// Stops the operations that nobody reads anymore.
    async fn stop_released(&mut self) -> Result<(), Error> {
        let released: Vec<_> =
            self.state.operations.extract_if(|_, updates| updates.is_closed()).map(|(id, _)| id).collect();
        for id in released {
            self.state.idle_since = Instant::now();
            self.write(protocol::complete(id)).await?;
        }
        Ok(())
    }

    /// Sends a ping after a silence, and gives the connection up if nothing follows.
    async fn check_silence(&mut self, is_late: bool) -> Result<(), Error> {
        let now = Instant::now();
        let State { timing, deadline, last_received, had_second_chance, .. } = &mut *self.state;
        match *deadline {
            Some(at) if now > at => {
                // After a sleep, messages that have arrived may not have been read yet.
                if !is_late || *had_second_chance {
                    return Err(Error::network("it is silent"));
                }
                *had_second_chance = true;
                *deadline = Some(now + timing.pong);
            }
            None if is_late || now - *last_received > timing.ping => {
                *deadline = Some(now + timing.pong);
                self.write(protocol::ping()).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn write(&mut self, message: Message) -> Result<(), Error> {
        match timeout(self.state.timing.pong, self.stream.send(message)).await {
            Ok(written) => written.map_err(|error| Error::network(describe(&error))),
            Err(_) => Err(Error::network("it accepts no data")),
        }
    }

    async fn close(&mut self) -> Result<(), Error> {
        // The server notices the end of the connection in any case.
        let _ = timeout(self.state.timing.pong, self.stream.close(None)).await;
        Ok(())
    }
}

/// A timer that notices when the computer was asleep, or the process frozen.
struct Ticks {
    interval: Interval,
    last: SystemTime,
}

impl Ticks {
    fn new(timing: &Timing) -> Self {
        let period = timing.ping.min(timing.pong).min(IDLE) / 4;
        let mut interval = interval(period.max(Duration::from_millis(1)));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, last: SystemTime::now() }
    }

    /// Returns whether much more time than expected has passed.
    async fn next(&mut self) -> bool {
        self.interval.tick().await;
        // Unlike the clock of timers, this one runs while a computer sleeps.
        let last = std::mem::replace(&mut self.last, SystemTime::now());
        self.last.duration_since(last).is_ok_and(|passed| passed > 3 * self.interval.period())
    }
}
