//! Reports of this node's viewers to the other nodes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::room::RoomId;
use crate::store::{Store, VIEWER_REPORT_TTL};

/// How often this node reports its viewers to the others.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
const _: () =
    assert!(REPORT_INTERVAL.as_millis() * 2 < VIEWER_REPORT_TTL.as_millis(), "one lost report must not matter");

/// Reports the viewers of each room until `stop` is cancelled; then reports that there are none.
pub(super) async fn send(store: Arc<dyn Store>, viewers: impl Fn() -> HashMap<RoomId, u32>, stop: CancellationToken) {
    let mut reported: Vec<RoomId> = Vec::new();
    loop {
        let is_stopping = tokio::select! {
            () = tokio::time::sleep(REPORT_INTERVAL) => false,
            () = stop.cancelled() => true,
        };
        let mut counts: HashMap<_, _> = reported.drain(..).map(|room| (room, 0)).collect();
        if !is_stopping {
            counts.extend(viewers());
        }
        reported.extend(counts.iter().filter(|(_, viewers)| **viewers > 0).map(|(room, _)| *room));
        let counts: Vec<_> = counts.into_iter().collect();
        if !counts.is_empty()
            && let Err(error) = store.report_viewers(&counts).await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "viewers could not be reported to the other nodes"
            );
        }
        if is_stopping {
            return;
        }
    }
}
