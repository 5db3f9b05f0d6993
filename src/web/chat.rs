//! The chat page. Its files in `chat/` are embedded unchanged, without a build step; only the length limits are inserted into
//! `index.html`. The JavaScript starts in `chat/app.js`.

use std::borrow::Cow;

use axum::Router;

use crate::web::file::{self, File, HTML, PICTURE, SCRIPT, STYLE};

/// Embeds files of `chat/`, each with its media type.
macro_rules! files {
    ($($name:literal: $media_type:expr,)*) => {
        &[$(File { path: concat!("/chat/", $name), media_type: $media_type, text: Cow::Borrowed(include_str!(concat!("chat/", $name))) },)*]
    };
}

const PAGE: &str = include_str!("chat/index.html");

const FILES: &[File] = files! {
    "actions.js": SCRIPT,
    "app.js": SCRIPT,
    "backoff.js": SCRIPT,
    "banner.js": SCRIPT,
    "colors.css": STYLE,
    "composer.js": SCRIPT,
    "dialog.css": STYLE,
    "dialogs.js": SCRIPT,
    "dom.js": SCRIPT,
    "event_source.js": SCRIPT,
    "graphql.js": SCRIPT,
    "history.js": SCRIPT,
    "icon.svg": PICTURE,
    "identity.js": SCRIPT,
    "keyboard.js": SCRIPT,
    "link.js": SCRIPT,
    "message.js": SCRIPT,
    "messages.css": STYLE,
    "names.js": SCRIPT,
    "operations.js": SCRIPT,
    "outbox.js": SCRIPT,
    "own_messages.css": STYLE,
    "people.js": SCRIPT,
    "room.css": STYLE,
    "room.js": SCRIPT,
    "socket.js": SCRIPT,
    "start.css": STYLE,
    "start.js": SCRIPT,
    "storage.js": SCRIPT,
    "stream.js": SCRIPT,
    "style.css": STYLE,
    "text.js": SCRIPT,
    "time.js": SCRIPT,
    "timeline.js": SCRIPT,
};

/// The routes `/` and `/chat/…`. The page enforces the maximum lengths of messages and display names.
pub(super) fn routes(text_max: usize, display_name_max: usize) -> Router {
    let text = PAGE
        .replace("{TEXT_MAX_LENGTH}", &text_max.to_string())
        .replace("{DISPLAY_NAME_MAX_LENGTH}", &display_name_max.to_string());
    let page = File { path: "/", media_type: HTML, text: text.into() };
    file::routes(FILES.iter().cloned().chain([page]))
}
