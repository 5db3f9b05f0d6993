//! Gives the errors of the schema itself their `extensions.code`, and keeps them short: what is wrong with a document or its
//! variables before a resolver runs.
//!
//! The schema has hooks for this, but who uses one of them has every field of every answer go through all of them.

use async_graphql::{ErrorExtensionValues, ServerError};

const VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";

/// Errors that one answer tells of a document that does not fit the schema, at most.
const ERRORS_MAX: usize = 5;

/// Places in the document that one error tells, at most.
const LOCATIONS_MAX: usize = 4;

/// Characters of a message, of a word in it, and of a value that was sent.
const MESSAGE_MAX: usize = 200;
const WORD_MAX: usize = 40;
const VALUE_MAX: usize = 20;

/// Sets the code of errors that have none, and shortens them: their words are the schema's, with parts of the request in
/// them. Of those that came before the execution, and so belong to no field, few are told.
pub(in crate::graphql) fn name(errors: &mut Vec<ServerError>) {
    if errors.len() > ERRORS_MAX && errors.iter().all(|error| error.path.is_empty()) {
        errors.truncate(ERRORS_MAX);
    }
    for error in errors {
        let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
        if extensions.get("code").is_none() {
            extensions.set("code", VALIDATION_FAILED);
            error.message = shorten(&error.message);
            error.locations.truncate(LOCATIONS_MAX);
        }
    }
}

/// Cuts what was taken from the request: values, and words that are too long for a name of the schema.
pub(in crate::graphql) fn shorten(message: &str) -> String {
    let (message, found) = match message.split_once(", found ") {
        Some((message, found)) => (message, Some(found)),
        None => (message, None),
    };
    let mut short = String::new();
    for (i, word) in message.split(' ').enumerate() {
        if i > 0 {
            short.push(' ');
        }
        push_start(&mut short, word, WORD_MAX);
    }
    let mut message = String::new();
    push_start(&mut message, &short, MESSAGE_MAX);
    if let Some(found) = found {
        message.push_str(", found ");
        push_start(&mut message, found, VALUE_MAX);
    }
    message
}

/// Adds no more than `max` characters of `text`.
fn push_start(to: &mut String, text: &str, max: usize) {
    match text.char_indices().nth(max) {
        Some((end, _)) => to.extend([&text[..end], "…"]),
        None => to.push_str(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_sent_only_the_beginning_comes_back() {
        assert_eq!(shorten("Unknown field \"nme\" on type \"Room\"."), "Unknown field \"nme\" on type \"Room\".");
        let long = "ä".repeat(10_000);
        assert_eq!(shorten(&format!("Unknown field \"{long}\" on type")).chars().count(), 14 + WORD_MAX + 1 + 8);
        assert!(shorten(&format!("Expected input type \"Int\", found \"a b {long}\".")).chars().count() < 60);
        assert_eq!(shorten(&"a b ".repeat(10_000)).chars().count(), MESSAGE_MAX + 1);
    }
}
