//! Clause 10: the viewers of other nodes.

use std::time::Duration;

use livechat::domain::room::RoomId;

use super::fixture::Fixture;
use super::kit::*;

pub async fn contract_10_own_viewers_do_not_count_as_elsewhere(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let rooms = [room(&store).await?, room(&store).await?, RoomId::random()];
    ensure_eq!(store.viewers_elsewhere(&[]).await?, Vec::<u32>::new(), "the viewers of no rooms");
    ensure_eq!(store.viewers_elsewhere(&rooms).await?, [0, 0, 0], "viewers without a report");
    store.report_viewers(&[]).await?;
    store.report_viewers(&[(rooms[0], 3), (rooms[1], 1)]).await?;
    ensure_eq!(store.viewers_elsewhere(&rooms).await?, [0, 0, 0], "this node's own viewers");
    Ok(())
}

pub async fn contract_10_viewers_of_another_node_are_counted_and_expire(on: &dyn Fixture) -> Outcome {
    if on.other_node().is_none() {
        return Ok(());
    }
    let (here, there) = (on.store(), on.second_handle());
    let (one, two, three) = (room(&here).await?, room(&here).await?, room(&here).await?);
    there.report_viewers(&[(one, 3), (two, 1)]).await?;
    ensure_eq!(here.viewers_elsewhere(&[two, three, one, two]).await?, [1, 0, 3, 1], "the viewers of the other node");
    ensure_eq!(there.viewers_elsewhere(&[one, two]).await?, [0, 0], "the viewers elsewhere, read on the other node");
    there.report_viewers(&[(one, 5), (three, u32::MAX)]).await?;
    ensure_eq!(here.viewers_elsewhere(&[one, two, three]).await?, [5, 1, u32::MAX], "the counts of a second report");
    there.report_viewers(&[(one, 0), (three, 2)]).await?;
    ensure_eq!(here.viewers_elsewhere(&[one, two, three]).await?, [0, 1, 2], "the counts after one was withdrawn");
    here.report_viewers(&[(two, 4)]).await?;
    ensure_eq!(there.viewers_elsewhere(&[one, two]).await?, [0, 4], "the viewers in the other direction");
    let expired = async {
        while here.viewers_elsewhere(&[two, three]).await? != [0, 0] {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Outcome::Ok(())
    };
    with_timeout(on.timeout(), "the expiry of viewers that are no longer reported", expired).await?
}
