//! Users of a room, their bans and their presence.

use crate::domain::ban::Ban;
use crate::domain::limits::JOINED_USERS_MAX;
use crate::domain::page::Window;
use crate::domain::presence::PRESENT_USERS_MAX;
use crate::domain::room::RoomId;
use crate::domain::user::UserId;
use crate::store::redis::keys::ROOM_PARTS;
use crate::store::redis::reply::Reply;
use crate::store::redis::scripts::{millis, pass_window};
use crate::store::redis::{RedisStore, codec, event_codec};
use crate::store::{
    Actor, AddressHash, BanPage, Member, PRESENCE_REPORT_TTL, PresenceReport, PresentUsers, StoreError, UserPage,
};

impl RedisStore {
    /// See [`users`](crate::store::Store::users).
    pub(super) async fn read_users(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError> {
        let mut call = self.on_room(&self.inner.scripts.chatters, room, &ROOM_PARTS);
        let mut reply = self.run(pass_window(&mut call, window)).await?;
        let total = reply.number()?;
        let mut users = Vec::new();
        while !reply.is_empty() {
            users.push(codec::decode_user(&reply.string()?)?);
        }
        Ok(UserPage { users, total })
    }

    /// See [`bans`](crate::store::Store::bans).
    pub(super) async fn read_bans(&self, room: RoomId, after: Option<u64>, limit: u32) -> Result<BanPage, StoreError> {
        let parts = ["room", "messages", "log", "bans", "ban_ends"];
        let mut call = self.on_room(&self.inner.scripts.read_bans, room, &parts);
        let limit = limit as usize;
        let mut reply = self.run(call.arg(after.unwrap_or(0)).arg(limit + 1)).await?;
        let total = reply.number()?;
        let mut bans = Vec::new();
        while !reply.is_empty() {
            let (index, at) = (reply.number()?, codec::decode_timestamp(&reply.string()?)?);
            let until = codec::optional_time(reply.number()?);
            let (user, reason) = (codec::decode_user(&reply.string()?)?, event_codec::decode_reason(&reply.string()?));
            bans.push((index, Ban { user, at, until, reason }));
        }
        let more = bans.len() > limit;
        bans.truncate(limit);
        Ok(BanPage { bans, more, total })
    }

    /// See [`member`](crate::store::Store::member).
    pub(super) async fn read_member(
        &self,
        room: RoomId,
        user: &UserId,
        address: Option<AddressHash>,
    ) -> Result<Option<Member>, StoreError> {
        let mut call = self.on_room(&self.inner.scripts.member, room, &ROOM_PARTS);
        call.arg(user.as_str()).arg(codec::encode_mark(false, address));
        decode_member(self.run(&call).await?, user.clone())
    }

    /// See [`join`](crate::store::Store::join).
    pub(super) async fn register_member(&self, room: RoomId, actor: Actor) -> Result<Member, StoreError> {
        let Actor { user, is_owner, address } = actor;
        let mut call = self.on_room(&self.inner.scripts.join, room, &ROOM_PARTS);
        call.arg(user.id.as_str()).arg(codec::encode_mark(is_owner, address));
        call.arg(user.display_name.as_str()).arg(codec::encode_avatar(&user)).arg(JOINED_USERS_MAX);
        decode_member(self.run(&call).await?, user.id)?
            .ok_or_else(|| StoreError::Corrupt("no member has joined".into()))
    }

    /// See [`report_presence`](crate::store::Store::report_presence).
    pub(super) async fn write_presence(&self, room: RoomId, report: PresenceReport) -> Result<bool, StoreError> {
        let parts = ["room", "messages", "log", "presence", "nodes"];
        let mut call = self.on_room(&self.inner.scripts.report_presence, room, &parts);
        call.arg(&self.inner.node).arg(millis(PRESENCE_REPORT_TTL)).arg(u8::from(report.is_complete));
        call.arg(report.changed.len());
        for present in &report.changed {
            call.arg(present.user.id.as_str()).arg(codec::encode_present(present));
        }
        for user in &report.left {
            call.arg(user.as_str());
        }
        Ok(self.run(&call).await?.number()? == 1)
    }

    /// See [`present_elsewhere`](crate::store::Store::present_elsewhere).
    pub(super) async fn read_presence(&self, room: RoomId) -> Result<PresentUsers, StoreError> {
        let mut call = self.on_room(&self.inner.scripts.present_elsewhere, room, &["presence", "nodes"]);
        let mut reply = self.run(call.arg(&self.inner.node).arg(PRESENT_USERS_MAX)).await?;
        let total = reply.number()?;
        let mut users = Vec::new();
        while !reply.is_empty() {
            users.push(codec::decode_present(reply.string()?, &reply.string()?)?);
        }
        Ok(PresentUsers { users, total })
    }
}

/// Decodes what `member.lua` returns.
fn decode_member(mut reply: Reply, id: UserId) -> Result<Option<Member>, StoreError> {
    let head = reply.position()?;
    if reply.is_empty() {
        return Ok(None);
    }
    let role = codec::decode_role(&reply.bytes()?)?;
    let user = codec::decode_profile(id, &reply.string()?)?;
    let banned_until = match reply.string()?.as_str() {
        "" => None,
        end => Some(codec::optional_time(codec::decode_number(end)?)),
    };
    Ok(Some(Member { user, role, banned_until, head }))
}
