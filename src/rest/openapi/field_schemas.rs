//! Schemas of the fields of request bodies.

use utoipa::openapi::schema::{AnyOfBuilder, Object, ObjectBuilder, Schema, SchemaType, Type};

use crate::domain::limits::{Limits, USER_ID_MIN};

/// Control characters, and those that a message text must not have.
const CONTROLS: &str = r"\u0000-\u001F\u007F-\u009F";
const CONTROLS_BUT_NEWLINE_AND_TAB: &str = r"\u0000-\u0008\u000B-\u001F\u007F-\u009F";

/// Invisible characters in the basic plane. Others are rare, and regular expression dialects disagree on how to write them.
const INVISIBLE: &str = r"\u0000-\u0020\u007F-\u00A0\u00AD\u034F\u061C\u115F\u1160\u1680\u17B4\u17B5\u180B-\u180F\u2000-\u200F\u2028-\u202F\u205F-\u206F\u2800\u3000\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB";

/// Pattern: no character of `excluded`, and at least one visible character.
fn visible_without(excluded: &str) -> String {
    format!("[^{excluded}]*[^{INVISIBLE}][^{excluded}]*")
}

/// Pattern: a string that is accepted as an integer.
const INTEGER_TEXT: &str = r"^\s*[+\-]?[0-9]+(_[0-9]+)*(\.0+)?\s*$";

pub(super) fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Schema of a room id.
pub(in crate::rest) fn room_id() -> Object {
    string()
        .description(Some("From the response that created the room."))
        .examples(["room:*00000000000000000000000000000000"])
        .build()
}

/// Schema of a room code.
pub(in crate::rest) fn room_code() -> Object {
    string().description(Some("From the response that created the room.")).examples(["123456"]).build()
}

/// Schema of an optional display name.
pub(in crate::rest) fn display_name() -> Object {
    let description = "Set by the user's first message. Without one the user is called `Anon#` and five digits.";
    string()
        .schema_type([Type::String, Type::Null].into_iter().collect::<SchemaType>())
        .max_length(Some(Limits::default().display_name))
        .pattern(Some(format!("^({})?$", visible_without(CONTROLS))))
        .description(Some(description))
        .examples(["Ada"])
        .build()
}

/// Schema of a user id.
pub(in crate::rest) fn user_id() -> Object {
    string()
        .min_length(Some(USER_ID_MIN))
        .max_length(Some(Limits::default().user_id))
        .pattern(Some(format!("^[^{CONTROLS}]*$")))
        .description(Some("Chosen by the client."))
        .examples(["ada-0123456789"])
        .build()
}

/// Schema of a user id, or of what clients without one send.
pub(in crate::rest) fn user_id_or_none() -> Schema {
    AnyOfBuilder::new()
        .item(user_id())
        .item(string().enum_values(Some(["None", ""])))
        .description(Some("Chosen by the client. With `None` or an empty string, the server assigns one."))
        .into()
}

/// Schema of a message text.
pub(in crate::rest) fn text() -> Object {
    string()
        .min_length(Some(1))
        .max_length(Some(Limits::default().text))
        .pattern(Some(format!("^{}$", visible_without(CONTROLS_BUT_NEWLINE_AND_TAB))))
        .description(Some("The text, with at least one visible character. Newline and tab are the only control characters allowed; CR LF becomes a newline."))
        .examples(["Hello"])
        .build()
}

/// Schema of a message id.
pub(in crate::rest) fn message_id() -> Schema {
    let integer = ObjectBuilder::new().schema_type(Type::Integer).examples([0]);
    let boolean = ObjectBuilder::new().schema_type(Type::Boolean).description(Some("1 or 0, as in the original."));
    AnyOfBuilder::new()
        .item(integer)
        .item(string().pattern(Some(INTEGER_TEXT)))
        .item(boolean)
        .description(Some(
            "The position of the message in the room, from 0. A string that contains an integer is accepted, too.",
        ))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::message::MessageText;

    /// The code points of a character class of `\\uXXXX` escapes and ranges.
    fn parse_class(text: &str) -> Vec<u32> {
        let code = |text: &str| u32::from_str_radix(text.trim_start_matches("\\u"), 16).expect("four digits");
        let mut codes = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (first, tail) = rest.split_at(6);
            let (last, tail) = tail.strip_prefix('-').map_or((first, tail), |tail| tail.split_at(6));
            codes.extend(code(first)..=code(last));
            rest = tail;
        }
        codes
    }

    #[test]
    fn text_pattern_agrees_with_the_parser_about_visible_characters() {
        let invisible = parse_class(INVISIBLE);
        for character in '\0'..='\u{ffff}' {
            let is_accepted = MessageText::parse(&character.to_string(), &Limits::default()).is_ok();
            assert_eq!(is_accepted, !invisible.contains(&character.into()), "U+{:04X}", u32::from(character));
        }
    }
}
