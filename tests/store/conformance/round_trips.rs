//! Texts, names and ids survive a round trip through the store unchanged.

use std::slice::from_ref;

use livechat::domain::timestamp::Timestamp;
use livechat::domain::user::{DisplayName, User, UserId};
use livechat::store::Admitted;

use super::fixture::Fixture;
use super::kit::*;
use super::users::Credentials;

/// Strings that are special in some notation.
const TRAPS: &[&str] = &[
    "plain ascii text",
    "Grüße aus Köln: äöüß ÄÖÜẞ",
    "日本語と中文と한국어",
    "🦀👩‍👩‍👧‍👦🏳️‍🌈 astral and joined",
    "e\u{301} is not \u{e9}",
    "שלום and مرحبا, right to left \u{202e}override",
    "\u{feff}a mark at the start, \u{200b}zero width, \u{2028}line separator",
    "\"double\" 'single' `back` \\backslash\\ \\n \\u0041",
    "{curly} {{double}} {0} ${dollar} %s %d %%",
    "[\"json\", {\"a\": null}, 1e999]",
    "'; DROP TABLE message; --",
    "a:b|c/d;e,f=g&h#i?j*k",
    "  spaces around  ",
    "0012345678901234567890",
    "9007199254740993.0",
    "nil null none false",
    "-1-inf-nan-end",
    "\u{10ffff}\u{fffd}\u{ffff} the last ones",
];

async fn ensure_round_trip(on: &dyn Fixture, author: &User, words: &str, id: &str) -> Outcome {
    let store = on.store();
    let room = room(&store).await?;
    let mut feed = FeedReader::open(on, &on.second_handle(), room).await?;
    let commit = send_with_id(room, author, words, id);
    let sent = commit_new(&store, commit.clone()).await?;
    let written = |message: &livechat::domain::message::Message| {
        (message.author.clone(), message.text.clone(), message.client_message_id.clone())
    };
    let expected = (author.clone(), Some(text(words)), Some(client_id(id)));
    ensure_eq!(written(message_of(&sent)), expected, "the result for {words:?}");
    ensure_eq!(written(&into_message(feed.event().await?)), expected, "the event of {words:?}");
    ensure_eq!(commit_repeated(&store, commit).await?, sent, "the repeat of {words:?}");
    for store in [on.store(), on.second_handle()] {
        ensure_eq!(messages_of(&store, room).await?, from_ref(message_of(&sent)), "the message {words:?}");
        ensure_eq!(log_of(&store, room).await?, from_ref(&sent), "the log of {words:?}");
        ensure_eq!(store.users(room, ALL).await?.users, from_ref(author), "the users");
    }
    let edited = commit_new(&store, edit(message_of(&sent), &format!("{words}{words}"))).await?;
    ensure_eq!(message_of(&edited).text, Some(text(&format!("{words}{words}"))), "the result of an edit");
    ensure_eq!(messages_of(&store, room).await?, from_ref(message_of(&edited)), "the edited message");
    ensure_eq!(feed.event().await?, edited, "the event of an edit");
    Ok(())
}

pub async fn texts_survive_a_round_trip(on: &dyn Fixture) -> Outcome {
    for trap in TRAPS.iter().chain(&["x", "one\ntwo\n\nthree\n", "\ttabs\tand\nnewlines\t", "\n", " "]) {
        ensure_round_trip(on, &named_user("ann"), trap, "one").await?;
    }
    Ok(())
}

pub async fn the_longest_text_survives_a_round_trip(on: &dyn Fixture) -> Outcome {
    ensure_round_trip(on, &named_user("ann"), &"🦀".repeat(4_000), "one").await?;
    ensure_round_trip(on, &named_user("ann"), &"\u{10ffff}\n".repeat(2_000), "two").await
}

pub async fn users_and_names_survive_a_round_trip(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    for (trap, other) in TRAPS.iter().zip(TRAPS.iter().rev()) {
        let author = User {
            id: UserId::from_stored((*trap).to_owned()),
            display_name: DisplayName::from_stored((*other).to_owned()),
            avatar_url: None,
        };
        ensure_round_trip(on, &author, "hello", "one").await?;
        let mut credentials = Credentials::for_user(author.clone());
        let keep_until = Timestamp::from_millis(4_000_000_000_000);
        ensure_eq!(
            store.authenticate(credentials.admission(keep_until, true)).await?,
            Admitted::Created(author.clone()),
            "a new user"
        );
        credentials.take_next();
        ensure_eq!(
            store.authenticate(credentials.admission(keep_until, false)).await?,
            Admitted::Rotated(author.clone()),
            "a known user"
        );
        let repeated = store.authenticate(credentials.admission(keep_until, false)).await?;
        ensure!(matches!(&repeated, Admitted::Repeated(user, _) if *user == author), "{repeated:?}");
    }
    Ok(())
}

pub async fn client_ids_survive_a_round_trip(on: &dyn Fixture) -> Outcome {
    for trap in TRAPS {
        ensure_round_trip(on, &named_user("ann"), "hello", trap).await?;
    }
    ensure_round_trip(on, &named_user("ann"), "hello", &"🦀".repeat(128)).await
}
