//! Sets `extensions.code` of the errors that async-graphql itself reports, and shortens them. These errors concern a document
//! or its variables, before a resolver runs.
//!
//! async-graphql has extensions for this, but with one of them every field of every response passes through all hooks.

use std::borrow::Cow;

use async_graphql::{ErrorExtensionValues, ServerError};

use crate::error_code::ErrorCode;

/// Maximum number of errors that are reported for an invalid document.
const ERRORS_MAX: usize = 5;

/// Maximum number of locations of one error.
const LOCATIONS_MAX: usize = 4;

/// Maximum number of characters of a message, of a word in it, and of a quoted value.
const MESSAGE_MAX: usize = 200;
const WORD_MAX: usize = 40;
const VALUE_MAX: usize = 20;

/// Sets the code of errors that have none, and shortens them, since they quote parts of the request. Of errors that precede
/// the execution, and so have no path, only the first few are kept.
pub(in crate::graphql) fn set_codes(errors: &mut Vec<ServerError>) {
    if errors.len() > ERRORS_MAX && errors.iter().all(|error| error.path.is_empty()) {
        errors.truncate(ERRORS_MAX);
    }
    for error in errors {
        let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
        if extensions.get("code").is_none() {
            extensions.set("code", ErrorCode::GraphqlValidationFailed.as_str());
            error.message = shorten(&error.message);
            error.locations.truncate(LOCATIONS_MAX);
        }
    }
}

/// Shortens quotes of the request: values, and words too long to be names of the schema.
pub(in crate::graphql) fn shorten(message: &str) -> String {
    let (message, found) = message.split_once(", found ").map_or((message, None), |(of, found)| (of, Some(found)));
    let words: Vec<_> = message.split(' ').map(|word| start_of(word, WORD_MAX)).collect();
    let mut short = start_of(&words.join(" "), MESSAGE_MAX).into_owned();
    if let Some(found) = found {
        short.extend([", found ", &start_of(found, VALUE_MAX)]);
    }
    short
}

/// At most `max` characters of `text`, and an ellipsis if it has more.
fn start_of(text: &str, max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_of_quoted_input_is_returned() {
        assert_eq!(shorten("Unknown field \"nme\" on type \"Room\"."), "Unknown field \"nme\" on type \"Room\".");
        let long = "ä".repeat(10_000);
        assert_eq!(shorten(&format!("Unknown field \"{long}\" on type")).chars().count(), 14 + WORD_MAX + 1 + 8);
        assert!(shorten(&format!("Expected input type \"Int\", found \"a b {long}\".")).chars().count() < 60);
        assert_eq!(shorten(&"a b ".repeat(10_000)).chars().count(), MESSAGE_MAX + 1);
    }
}
