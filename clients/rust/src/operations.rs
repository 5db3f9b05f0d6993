//! The GraphQL operations of this crate.

macro_rules! chatter {
    () => {
        "id displayName avatarUrl isVerified"
    };
}
macro_rules! person {
    () => {
        concat!("user{", chatter!(), "}role")
    };
}
macro_rules! settings {
    () => {
        "title listed capacity slowModeSeconds locked"
    };
}
macro_rules! ban {
    () => {
        concat!("user{", chatter!(), "}at until reason")
    };
}
macro_rules! messages {
    () => {
        "pageInfo{hasPreviousPage startCursor}nodes{...M reactionsBy(userId:$userId)}"
    };
}
macro_rules! message {
    () => {
        concat!(
            "fragment M on Message{id index author{",
            chatter!(),
            "}authorRole text createdAt editedAt deletedAt deletedBy clientMessageId replyToId reactions{emoji count}}"
        )
    };
}
/// A query of the room with these parameters.
macro_rules! room {
    ($parameters:literal, $($selection:expr),+) => {
        concat!(
            "query($roomId:ID!,$roomCode:String!",
            $parameters,
            "){room(id:$roomId,code:$roomCode){",
            $($selection),+,
            "}}"
        )
    };
}
/// A mutation, whose payload is called `payload` in the response.
macro_rules! mutation {
    ($input:literal, $field:literal, $($selection:expr),+) => {
        concat!("mutation($input:", $input, "!){payload:", $field, "(input:$input){", $($selection),+, "}}")
    };
}

pub(crate) const CREATE_ROOM: &str =
    "mutation($input:CreateRoomInput){payload:createRoom(input:$input){ownerToken room{id code expiresAt}}}";
pub(crate) const ACTIVE_ROOMS: &str = "query($first:Int!,$after:String){activeRooms(first:$first,after:$after){\
    totalCount pageInfo{hasNextPage endCursor}nodes{id title createdAt expiresAt chatterCount viewerCount}}}";

pub(crate) const ROOM: &str = concat!(
    room!(
        ",$userId:ID!",
        "cursor expiresAt viewerCount settings{",
        settings!(),
        "}messages(last:50){",
        messages!(),
        "}"
    ),
    message!()
);
pub(crate) const EARLIER: &str =
    concat!(room!(",$userId:ID!,$before:String", "messages(last:50,before:$before){", messages!(), "}"), message!());
pub(crate) const FIND: &str = concat!(
    room!(",$userId:ID!,$messageId:ID!", "message(id:$messageId){...M reactionsBy(userId:$userId)}"),
    message!()
);
pub(crate) const BANS: &str = room!(
    ",$ownerToken:String!,$first:Int,$after:String",
    "bans(ownerToken:$ownerToken,first:$first,after:$after){totalCount pageInfo{hasNextPage endCursor}nodes{",
    ban!(),
    "}}"
);

pub(crate) const JOIN: &str = mutation!("JoinRoomInput", "joinRoom", "token presenceToken user{", chatter!(), "}");
pub(crate) const SEND: &str = concat!(
    mutation!("SendMessageInput", "sendMessage", "token user:author{", chatter!(), "}message{...M}"),
    message!()
);
pub(crate) const EDIT: &str = concat!(mutation!("EditMessageInput", "editMessage", "token message{...M}"), message!());
pub(crate) const DELETE: &str =
    concat!(mutation!("DeleteMessageInput", "deleteMessage", "token message{...M}"), message!());
pub(crate) const REACT: &str = concat!(mutation!("AddReactionInput", "addReaction", "token message{...M}"), message!());
pub(crate) const UNREACT: &str =
    concat!(mutation!("RemoveReactionInput", "removeReaction", "token message{...M}"), message!());
pub(crate) const TYPE: &str = mutation!("SetTypingInput", "setTyping", "until");

pub(crate) const UPDATE: &str = mutation!("UpdateRoomInput", "updateRoom", "room{settings{", settings!(), "}}");
pub(crate) const REMOVE: &str = concat!(mutation!("RemoveMessageInput", "removeMessage", "message{...M}"), message!());
pub(crate) const BAN: &str = mutation!("BanUserInput", "banUser", "ban{", ban!(), "}");
pub(crate) const UNBAN: &str = mutation!("UnbanUserInput", "unbanUser", "user{id}");
pub(crate) const END: &str = mutation!("EndRoomInput", "endRoom", "roomId");

pub(crate) const EVENTS: &str = concat!(
    "subscription($roomId:ID!,$roomCode:String!,$after:String){",
    "roomEvents(roomId:$roomId,roomCode:$roomCode,after:$after){__typename cursor at",
    "...on MessageSent{message{...M}}...on MessageEdited{message{...M}}...on MessageDeleted{message{...M}}",
    "...on ReactionsChanged{message{...M}}...on RoomUpdated{settings{",
    settings!(),
    "}}...on UserBanned{ban{",
    ban!(),
    "}}...on UserUnbanned{user{",
    chatter!(),
    "}}}}",
    message!()
);
pub(crate) const PRESENCE: &str = concat!(
    "subscription($roomId:ID!,$roomCode:String!,$presenceToken:String){",
    "presence(roomId:$roomId,roomCode:$roomCode,presenceToken:$presenceToken){__typename",
    "...on PresenceSnapshot{viewerCount userCount users{",
    person!(),
    "}typing{",
    chatter!(),
    "}}...on PresenceChanged{viewerCount userCount joined{",
    person!(),
    "}left{id}}...on TypingChanged{typing{",
    chatter!(),
    "}}}}"
);

/// Every operation, for the test that has the server check them.
#[cfg(test)]
#[allow(dead_code, reason = "the integration tests include this file")]
pub(crate) const ALL: &[&str] = &[
    CREATE_ROOM,
    ACTIVE_ROOMS,
    ROOM,
    EARLIER,
    FIND,
    BANS,
    JOIN,
    SEND,
    EDIT,
    DELETE,
    REACT,
    UNREACT,
    TYPE,
    UPDATE,
    REMOVE,
    BAN,
    UNBAN,
    END,
    EVENTS,
    PRESENCE,
];
