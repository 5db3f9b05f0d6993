//! The connection to a server: one WebSocket for all operations, which is opened when it is needed and replaced when it is lost.

mod connect;
mod protocol;
mod socket;

use std::sync::{Arc, Mutex};

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

pub(crate) use self::connect::Endpoint;
use self::socket::{Socket, State};
use crate::retry::{Backoff, lock};
use crate::{Error, ErrorCode, Timing};

/// Operations that wait for the connection. Further ones wait outside of the queue.
const MAX_WAITING: usize = 64;

/// Updates of an operation that wait to be read. When there are more, the socket is not read.
const MAX_UPDATES: usize = 256;

/// A connection that was open for this long resets the number of failures.
const STABLE_AFTER: std::time::Duration = std::time::Duration::from_secs(10);

/// Sends operations to the task of the connection. The task ends when this is dropped.
pub(crate) struct Connection {
    starts: mpsc::Sender<Start>,
    released: Arc<Notify>,
    /// Why the connection is lost; `None` while it is open or not needed.
    loss: watch::Receiver<Option<Error>>,
    /// Until the first operation, which may find the runtime that the constructor does not need.
    task: Mutex<Option<Task>>,
    timing: Timing,
}

/// An operation to start.
struct Start {
    document: &'static str,
    variables: Value,
    updates: mpsc::Sender<Result<Update, Error>>,
}

/// What an operation reports.
pub(crate) enum Update {
    /// It was sent to the server.
    Started,
    Data(Value),
    Completed,
}

/// An operation in progress. It ends when this is dropped.
pub(crate) struct Operation {
    updates: mpsc::Receiver<Result<Update, Error>>,
    released: Arc<Notify>,
}

impl Operation {
    /// The next update. Nothing follows `Completed` or an error.
    pub(crate) async fn next(&mut self) -> Result<Update, Error> {
        self.updates.recv().await.unwrap_or_else(|| Err(Error::of(ErrorCode::Network)))
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.updates.close();
        self.released.notify_one();
    }
}

/// The task is gone, for example with its runtime.
fn closed() -> Error {
    Error::new(ErrorCode::Left, "The connection was closed by this program.")
}

impl Connection {
    pub(crate) fn new(endpoint: Endpoint, timing: Timing) -> Self {
        let (starts, waiting) = mpsc::channel(MAX_WAITING);
        let (sender, loss) = watch::channel(None);
        let released = Arc::new(Notify::new());
        let task = Task {
            endpoint,
            timing,
            waiting,
            released: Arc::clone(&released),
            loss: sender,
            failures: 0,
            retry_at: Instant::now(),
        };
        Self { starts, released, loss, task: Mutex::new(Some(task)), timing }
    }

    /// Why the connection is lost, if it is.
    pub(crate) fn loss(&self) -> Option<Error> {
        self.loss.borrow().clone()
    }

    /// Starts an operation as soon as the connection is open.
    pub(crate) async fn start(&self, document: &'static str, variables: Value) -> Result<Operation, Error> {
        if let Some(task) = lock(&self.task).take() {
            tokio::spawn(task.run());
        }
        let (sender, updates) = mpsc::channel(MAX_UPDATES);
        let operation = Operation { updates, released: Arc::clone(&self.released) };
        self.starts.send(Start { document, variables, updates: sender }).await.map_err(|_| closed())?;
        Ok(operation)
    }

    /// Executes a query or mutation, and returns its data.
    pub(crate) async fn request<T: DeserializeOwned>(
        &self,
        document: &'static str,
        variables: Value,
    ) -> Result<T, Error> {
        let response = async {
            let mut operation = self.start(document, variables).await?;
            loop {
                match operation.next().await? {
                    Update::Started => {}
                    Update::Data(data) => return Ok(serde_json::from_value(data)?),
                    Update::Completed => return Err(Error::of(ErrorCode::Unknown)),
                }
            }
        };
        let late = || Error::new(ErrorCode::Timeout, "The server has not responded in time.");
        timeout(self.timing.request, response).await.unwrap_or_else(|_| Err(self.loss().unwrap_or_else(late)))
    }
}

/// Opens the WebSocket when there is an operation, and again after a pause when it is lost.
struct Task {
    endpoint: Endpoint,
    timing: Timing,
    waiting: mpsc::Receiver<Start>,
    released: Arc<Notify>,
    loss: watch::Sender<Option<Error>>,
    failures: u32,
    retry_at: Instant,
}

impl Task {
    async fn run(mut self) {
        while let Some(first) = self.waiting.recv().await {
            tokio::select! {
                () = first.updates.closed() => continue,
                () = sleep_until(self.retry_at) => {}
            }
            let opened_at = Instant::now();
            let Err(error) = self.serve(first).await else { continue };
            if opened_at.elapsed() > STABLE_AFTER {
                self.failures = 0;
            }
            self.failures += 1;
            let backoff = Backoff::of(&self.timing);
            self.retry_at = Instant::now() + backoff.delay_after(self.failures);
            self.loss.send_replace(Some(error.clone()));
            // Whoever still needs them starts them again, maybe while this goes on.
            for _ in 0..self.waiting.len() {
                if let Ok(start) = self.waiting.try_recv() {
                    start.fail(&error);
                }
            }
        }
    }

    /// Opens a WebSocket and serves operations until it is lost, or is no longer needed.
    async fn serve(&mut self, first: Start) -> Result<(), Error> {
        let opened = timeout(self.timing.open, self.endpoint.open()).await;
        let opened = opened.unwrap_or_else(|_| Err(Error::network("it does not respond")));
        let stream = match opened {
            Ok(stream) => stream,
            Err(error) => {
                first.fail(&error);
                return Err(error);
            }
        };
        self.loss.send_replace(None);
        let mut state = State::new(self.timing);
        let served = async {
            let mut socket = Socket { stream, state: &mut state };
            socket.start(first).await?;
            socket.run(&mut self.waiting, &self.released).await
        };
        let result = served.await;
        if let Err(error) = &result {
            state.fail_all(error);
        }
        result
    }
}

impl Start {
    fn fail(self, error: &Error) {
        // The queue of an operation that has not started is empty.
        let _ = self.updates.try_send(Err(error.clone()));
    }
}
