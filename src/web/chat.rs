//! The chat page, which is embedded: its files as they stand in `chat/`, nothing built, but for the limits that the page
//! itself names. What the page does is the business of its modules, from `chat/app.js` on.

use std::borrow::Cow;

use axum::Router;

use crate::web::file::{self, File, HTML, PICTURE, SCRIPT, STYLE};

/// The files in `chat/`, each with its media type. All are asked for relative to the page, so that it works below any
/// path.
macro_rules! files {
    ($($name:literal: $media_type:expr,)*) => {
        &[$(File { path: concat!("/chat/", $name), media_type: $media_type, text: Cow::Borrowed(include_str!(concat!("chat/", $name))) },)*]
    };
}

const PAGE: &str = include_str!("chat/index.html");

const FILES: &[File] = files! {
    "actions.js": SCRIPT,
    "app.js": SCRIPT,
    "banner.js": SCRIPT,
    "colours.css": STYLE,
    "composer.js": SCRIPT,
    "dialog.css": STYLE,
    "dialogs.js": SCRIPT,
    "dom.js": SCRIPT,
    "event_source.js": SCRIPT,
    "graphql.js": SCRIPT,
    "history.js": SCRIPT,
    "icon.svg": PICTURE,
    "identity.js": SCRIPT,
    "keep.js": SCRIPT,
    "keyboard.js": SCRIPT,
    "link.js": SCRIPT,
    "message.js": SCRIPT,
    "messages.css": STYLE,
    "names.js": SCRIPT,
    "operations.js": SCRIPT,
    "outbox.js": SCRIPT,
    "own.css": STYLE,
    "patience.js": SCRIPT,
    "people.js": SCRIPT,
    "room.css": STYLE,
    "room.js": SCRIPT,
    "socket.js": SCRIPT,
    "start.css": STYLE,
    "start.js": SCRIPT,
    "stream.js": SCRIPT,
    "style.css": STYLE,
    "text.js": SCRIPT,
    "time.js": SCRIPT,
    "timeline.js": SCRIPT,
};

/// `/` and `/chat/…`. The page names the most characters of a message and of a name, and holds people to them.
pub(super) fn routes(text_max: usize, display_name_max: usize) -> Router {
    let text = PAGE
        .replace("{TEXT_MAX_LENGTH}", &text_max.to_string())
        .replace("{DISPLAY_NAME_MAX_LENGTH}", &display_name_max.to_string());
    let page = File { path: "/", media_type: HTML, text: text.into() };
    file::routes(FILES.iter().cloned().chain([page]))
}
