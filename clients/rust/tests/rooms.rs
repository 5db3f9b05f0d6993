//! What the owner and the people of a room can do.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use livechat_client::{BanOptions, Connection, ErrorCode, Identity, JoinOptions, NewRoom, NewSettings, Role, Status};
use ring::hmac;
use serde_json::{Value, json};

use crate::support::server::Server;
use crate::support::{client, guest, open_room, owner, texts, wait_for, wait_for_texts, within};

#[tokio::test]
async fn settings_arrive_with_the_room_and_their_changes_at_once() {
    let server = Server::start();
    let chat = client(server.url());
    let new = NewRoom { title: Some("Tea".into()), slow_mode_seconds: Some(0), ..NewRoom::default() };
    let key = chat.create_room(new).await.expect("a room");
    let ada = chat.join(owner(&key, "Ada")).await.expect("Ada joins");
    let grace = client(server.url()).join(guest(&key, "Grace")).await.expect("Grace joins");
    let settings = |room: &livechat_client::Room| room.state().settings.clone().expect("settings");
    assert_eq!(settings(&grace).title.as_deref(), Some("Tea"));
    assert_eq!((ada.state().is_owner, grace.state().is_owner), (true, false));
    assert!(grace.state().expires_at.is_some());
    let page = within(chat.active_rooms(10, None)).await.expect("rooms");
    let listed = page.nodes.iter().find(|room| room.id == key.room_id);
    assert_eq!(listed.expect("the room").title.as_deref(), Some("Tea"));

    // Long enough for a slow machine to try a second message before.
    let update = NewSettings { title: Some(None), slow_mode_seconds: Some(5), ..NewSettings::default() };
    let updated = within(ada.owner().update(update)).await.expect("an update");
    assert_eq!((updated.title, updated.slow_mode_seconds), (None, 5));
    wait_for(&grace, |state| state.settings.as_ref().is_some_and(|settings| settings.slow_mode_seconds == 5)).await;
    let refused = within(grace.owner().update(NewSettings::default())).await.expect_err("Grace is no owner");
    assert_eq!(refused.code, ErrorCode::OwnerTokenInvalid);

    // In slow mode, a message waits until it may be sent.
    let sendings = ["one", "two"].map(|text| grace.send(text));
    let is_slow = |status: &Status| matches!(status, Status::Waiting(error) if error.code == ErrorCode::SlowMode);
    wait_for(&grace, |state| state.messages.iter().any(|message| is_slow(&message.status))).await;
    for sending in sendings {
        within(sending).await.expect("a message");
    }
    wait_for_texts(&ada, &["one", "two"].map(Some)).await;

    let locked = NewSettings { locked: Some(true), ..NewSettings::default() };
    within(ada.owner().update(locked)).await.expect("an update");
    assert_eq!(within(grace.send("hello?")).await.expect_err("it is locked").code, ErrorCode::RoomLocked);
    assert_eq!(within(ada.send("quiet, please")).await.expect("a message").author_role, Role::Owner);
}

#[tokio::test]
async fn failed_messages_can_be_sent_again_or_discarded() {
    let server = Server::start();
    let (_, ada, grace) = open_room(&server, server.url()).await;
    let set_locked = async |locked| {
        let settings = NewSettings { locked: Some(locked), ..NewSettings::default() };
        within(ada.owner().update(settings)).await.expect("an update");
    };
    set_locked(true).await;
    let (first, second) = (grace.send("first"), grace.send("second"));
    let ids = [&first, &second].map(|sending| sending.client_message_id().to_owned());
    for sending in [first, second] {
        assert_eq!(within(sending).await.expect_err("it is locked").code, ErrorCode::RoomLocked);
    }
    let state = grace.state();
    assert!(state.messages.iter().all(|message| matches!(message.status, Status::Failed(_))), "{state:#?}");
    set_locked(false).await;
    grace.discard(&ids[0]);
    grace.retry(&ids[1]);
    wait_for_texts(&ada, &[Some("second")]).await;
    wait_for(&grace, |state| state.messages.iter().all(|message| message.status == Status::Sent)).await;
    assert_eq!(texts(&grace.state()), [Some("second")]);
}

#[tokio::test]
async fn a_banned_user_is_told_and_can_write_again_once_the_ban_is_lifted() {
    let server = Server::start();
    let (_, ada, grace) = open_room(&server, server.url()).await;
    let message = within(grace.send("nonsense")).await.expect("a message");
    let options = BanOptions { reason: Some("nonsense".into()), seconds: Some(600), remove_messages: true };
    let ban = within(ada.owner().ban(&message.author.id, options)).await.expect("a ban");
    assert_eq!(ban.user.display_name, "Grace");
    wait_for(&grace, |state| state.ban.as_ref() == Some(&ban) && texts(state) == [None]).await;
    let refused = within(grace.send("again")).await.expect_err("Grace is banned");
    assert_eq!((refused.code, &refused.until), (ErrorCode::UserBanned, &ban.until));
    let bans = within(ada.owner().bans(10, None)).await.expect("bans");
    assert_eq!((bans.nodes, bans.total_count, bans.page_info.has_next_page), (vec![ban], 1, false));
    within(ada.owner().unban(&message.author.id)).await.expect("the end of the ban");
    wait_for(&grace, |state| state.ban.is_none()).await;
    within(grace.send("sorry")).await.expect("a message");
    let other = within(grace.send("nonsense again")).await.expect("a message");
    let removed = within(ada.remove(&other.id)).await.expect("a removal");
    assert_eq!((removed.deleted_by, &removed.text), (Some(Role::Owner), &None));
}

#[tokio::test]
async fn reactions_are_counted_and_one_can_be_taken_back() {
    let server = Server::start();
    let (_, ada, grace) = open_room(&server, server.url()).await;
    let message = within(ada.send("cake?")).await.expect("a message");
    wait_for_texts(&grace, &[Some("cake?")]).await;
    let mine = within(grace.react(&message.id, "🎂")).await.expect("a reaction");
    assert_eq!((mine.reactions[0].count, &mine.my_reactions[..]), (1, &["🎂".to_owned()][..]));
    within(ada.react(&message.id, "🎂")).await.expect("a reaction");
    for room in [&ada, &grace] {
        wait_for(room, |state| state.messages[0].reactions.first().is_some_and(|reaction| reaction.count == 2)).await;
    }
    within(grace.unreact(&message.id, "🎂")).await.expect("one less");
    wait_for(&ada, |state| state.messages[0].reactions[0].count == 1).await;
    let mine = |room: &livechat_client::Room| room.state().messages[0].my_reactions.len();
    assert_eq!((mine(&ada), mine(&grace)), (1, 0));
}

#[tokio::test]
async fn earlier_messages_are_loaded_page_by_page_or_found() {
    let server = Server::start();
    let (key, ada, _) = open_room(&server, server.url()).await;
    let sendings: Vec<_> = (0..120).map(|number| ada.send(number.to_string())).collect();
    let mut ids = Vec::new();
    for sending in sendings {
        ids.push(within(sending).await.expect("a message").id.clone());
    }
    let late = client(server.url()).join(guest(&key, "Late")).await.expect("the room");
    assert_eq!((late.state().messages.len(), late.state().has_earlier), (50, true));
    let first = within(late.find(&ids[0])).await.expect("a search").expect("a message");
    assert_eq!((first.text.as_deref(), late.state().messages.len()), (Some("0"), 50));
    assert_eq!(within(late.find(&format!("{}-999", key.room_id))).await.expect("a search"), None);
    assert!(within(late.load_earlier()).await.expect("a page"));
    assert!(!within(late.load_earlier()).await.expect("a page"));
    assert!(!within(late.load_earlier()).await.expect("nothing"));
    let all: Vec<_> = (0..120).map(|number| number.to_string()).collect();
    assert_eq!(texts(&late.state()), all.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>());
}

#[tokio::test]
async fn people_see_who_is_here_and_who_is_typing() {
    let server = Server::start();
    let (key, ada, grace) = open_room(&server, server.url()).await;
    let hidden = JoinOptions { is_visible: false, ..guest(&key, "Hidden") };
    let hidden = client(server.url()).join(hidden).await.expect("the room");
    for room in [&ada, &grace, &hidden] {
        let state = wait_for(room, |state| state.people.len() == 2).await;
        let mut names: Vec<_> = state.people.iter().map(|person| person.user.display_name.as_str()).collect();
        names.sort_unstable();
        assert_eq!((names, state.user_count), (vec!["Ada", "Grace"], 2));
    }
    wait_for(&grace, |state| state.connection == Connection::Live).await;
    grace.typing();
    let state = wait_for(&ada, |state| !state.typing.is_empty()).await;
    assert_eq!(state.typing[0].display_name, "Grace");
    assert!(grace.state().typing.is_empty());
    within(grace.send("done")).await.expect("a message");
    wait_for(&ada, |state| state.typing.is_empty()).await;
    grace.leave();
    wait_for(&ada, |state| state.people.len() == 1).await;
}

const SECRET: &str = "ssssssssssssssssssssssssssssssss";

/// A signed identity with these claims.
fn identity(claims: Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
    let mut claims = claims;
    claims["exp"] = json!(now + 600);
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let content = format!("{}.{}", encode(json!({ "alg": "HS256", "typ": "JWT" })), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, content.as_bytes()));
    format!("{content}.{signature}")
}

#[tokio::test]
async fn a_verified_user_acts_with_its_identity_and_can_own_a_room_by_its_role() {
    let server = Server::with(&[("IDENTITY", "optional"), ("IDENTITY_SECRET", SECRET)]);
    let chat = client(server.url());
    let key = chat.create_room(NewRoom::default()).await.expect("a room");
    let as_user = |identity| JoinOptions { identity: Some(identity), ..JoinOptions::new(&key.room_id, &key.room_code) };
    let room_id = key.room_id.clone();
    let current = move || {
        let token = identity(json!({ "sub": "ada", "name": "Ada", "room": room_id, "role": "owner" }));
        async { token }
    };
    let ada = chat.join(as_user(Identity::new(current))).await.expect("Ada joins");
    let grace = identity(json!({ "sub": "grace", "name": "Grace" }));
    let grace = chat.join(as_user(grace.into())).await.expect("Grace joins");
    let sendings = [ada.send("one"), ada.send("two")];
    for sending in sendings {
        let message = within(sending).await.expect("a message");
        assert_eq!((message.author.id.as_str(), message.author.is_verified), ("@ada", true));
        assert_eq!(message.author_role, Role::Owner);
    }
    let answer = within(grace.send("three")).await.expect("a message");
    assert_eq!((answer.author.id.as_str(), answer.author_role), ("@grace", Role::Member));
    let settings = NewSettings { title: Some(Some("Ours".into())), ..NewSettings::default() };
    let updated = within(ada.owner().update(settings)).await.expect("an update");
    assert_eq!(updated.title.as_deref(), Some("Ours"));
    within(grace.owner().end()).await.expect_err("Grace is no owner");
    let refused = within(chat.join(as_user("no token".to_owned().into()))).await.expect_err("no identity");
    assert_eq!(refused.code, ErrorCode::IdentityInvalid);
}
