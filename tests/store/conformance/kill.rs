//! Clause 8: acknowledged writes survive a kill of this process.

use livechat::domain::position::Seq;
use livechat::domain::timestamp::Timestamp;
use livechat::store::Admitted;

use super::fixture::Fixture;
use super::kit::*;
use super::users::{Credentials, authenticate};

pub async fn contract_8_acknowledged_writes_survive_a_kill(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let rooms = [room(&store).await?, room(&store).await?];
    let sends = (0..50).map(|n| {
        let author = named_user(&format!("user {}", n % 5));
        commit_new(&store, send_with_id(rooms[n % 2], &author, &format!("words {n}"), &format!("{n}")))
    });
    let sent = futures_util::future::try_join_all(sends).await?;
    commit_new(&store, edit(message_of(&sent[0]), "changed")).await?;
    commit_new(&store, delete(message_of(&sent[2]))).await?;
    let mut ann = Credentials::new("ann");
    let keep_until = Timestamp::from_millis(4_000_000_000_000);
    authenticate(&store, &mut ann, keep_until).await?;
    let rotated = store.authenticate(ann.admission(keep_until, false)).await?;
    ensure!(matches!(rotated, Admitted::Rotated(_)), "{rotated:?}");
    let before = [RoomContents::read(&store, rooms[0]).await?, RoomContents::read(&store, rooms[1]).await?];

    let store = on.reopen_after_kill().await;
    for contents in before {
        ensure_eq!(RoomContents::read(&store, contents.room.id).await?, contents, "a room after a kill");
    }
    ensure_eq!(store.active_rooms(None, 10).await?.total, 2, "the rooms after a kill");
    let repeated = store.authenticate(ann.admission(keep_until, false)).await?;
    ensure!(matches!(repeated, Admitted::Repeated(..)), "a user's token after a kill: {repeated:?}");
    Ok(())
}

pub async fn contract_8_a_room_continues_after_a_kill(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let ann = named_user("ann");
    let first = commit_new(&store, send_with_id(room, &ann, "hello", "one")).await?;

    let store = on.reopen_after_kill().await;
    ensure_eq!(
        commit_repeated(&store, send_with_id(room, &ann, "hello", "one")).await?,
        first,
        "a repeat after a kill"
    );
    let mut feed = FeedReader::open(on, &store, room).await?;
    let second = commit_new(&store, send(room, &ann, "hello again")).await?;
    ensure_eq!((second.position.seq, message_of(&second).id.index), (Seq(2), 1), "the next send");
    ensure!(second.at >= first.at, "the store's clock went backwards");
    ensure_eq!(feed.event().await?, second, "its event");
    let rest = store.read_log(room, first.position, 10).await?;
    ensure_eq!(rest, [second], "the log behind a position from before");
    Ok(())
}
