//! Generates valid subscriptions to events: every field of the schema, aliases, fragments, repeated fields and directives.

use std::collections::BTreeSet;

use crate::graphql::execution::document::TYPES;

/// The types of events, and of these the three of `MessageEvent`.
const EVENTS: [&str; 8] = [
    "MessageSent",
    "MessageEdited",
    "MessageDeleted",
    "ReactionsChanged",
    "RoomUpdated",
    "UserBanned",
    "UserUnbanned",
    "RoomEnded",
];
const MESSAGE_EVENTS: usize = 3;

/// How deep selections are nested.
const DEPTH: usize = 5;

/// Most of them select as usual.
const DIRECTIVES: [&str; 8] =
    ["", "", "", "", " @include(if: true)", " @skip(if: true)", " @include(if: $yes)", " @skip(if: $yes)"];

/// Writes a document. Each choice is the next number; without numbers, it is the first of the alternatives.
pub(super) struct Writer<I> {
    numbers: I,
    fragments: String,
    count: usize,
    may_repeat: bool,
    has_directives: bool,
}

impl<I: Iterator<Item = u8>> Writer<I> {
    /// A subscription document, valid unless it exceeds a limit.
    pub(super) fn write(numbers: I) -> String {
        let writer = Self { numbers, fragments: String::new(), count: 0, may_repeat: false, has_directives: false };
        writer.document()
    }

    fn document(mut self) -> String {
        self.may_repeat = self.below(4) == 3;
        self.has_directives = self.below(4) == 3;
        let (root, of) = [("roomEvents", "RoomEvent"), ("messageEvents", "MessageEvent")][self.below(2)];
        let key = ["", "events: "][self.below(2)];
        let mut used = BTreeSet::new();
        // A field that every event has; without it, there may be no plan.
        let first = if self.below(8) == 7 { String::new() } else { self.field(of, 0, &mut used) };
        let fields = self.selections(of, DEPTH, &mut used);
        let selected = format!("{first} {fields} }} }}{}", self.fragments);
        // The schema takes a variable for unused if only `__typename` has it.
        let (variables, used) = match selected.contains("$yes") {
            true => ("($yes: Boolean!)", "used: cursor @include(if: $yes) "),
            false => ("", ""),
        };
        format!("subscription{variables} {{ {key}{root}(roomId: \"r\", roomCode: \"c\") {{ {used}{selected}")
    }

    /// A choice among `count` alternatives.
    fn below(&mut self, count: usize) -> usize {
        usize::from(self.numbers.next().unwrap_or(0)) % count
    }

    /// Selections from objects of the type `of`, in whose results the keys `used` are taken.
    fn selections(&mut self, of: &str, depth: usize, used: &mut BTreeSet<String>) -> String {
        let selections: Vec<_> = (0..=self.below(4)).map(|_| self.selection(of, depth, used)).collect();
        selections.join(" ")
    }

    fn selection(&mut self, of: &str, depth: usize, used: &mut BTreeSet<String>) -> String {
        if depth == 0 {
            return self.field(of, depth, used);
        }
        match self.below(6) {
            4 => {
                let (on, directive) = (self.condition(of), self.directive());
                let fields = self.selections(on, depth - 1, used);
                match self.below(4) {
                    0 if on == of => format!("...{directive} {{ {fields} }}"),
                    _ => format!("... on {on}{directive} {{ {fields} }}"),
                }
            }
            5 => {
                let (on, directive) = (self.condition(of), self.directive());
                let name = format!("F{}", self.count());
                let fields = self.selections(on, depth - 1, used);
                self.fragments.push_str(&format!(" fragment {name} on {on} {{ {fields} }}"));
                format!("...{name}{directive}")
            }
            _ => self.field(of, depth, used),
        }
    }

    /// A field, at depth 0 without fields of its own.
    fn field(&mut self, of: &str, depth: usize, used: &mut BTreeSet<String>) -> String {
        // The schema would read the store for `reactionsBy`.
        let known = TYPES.output_fields(of).into_iter().filter(|(name, _)| *name != "reactionsBy");
        let is_leaf = |named: &str| TYPES.output_fields(named).is_empty();
        let mut fields: Vec<_> = known.filter(|(_, named)| depth > 0 || is_leaf(named)).collect();
        fields.push(("__typename", "String"));
        fields.sort_unstable();
        let (first, has_alias, directive) = (self.below(fields.len()), self.below(3) == 2, self.directive());
        // The same alias always stands for the same field, so repeated fields can be merged.
        let key = |name: &str| if has_alias { format!("the_{name}") } else { name.to_owned() };
        let in_turn = fields.iter().cycle().skip(first).take(fields.len());
        let unused = in_turn.clone().find(|(name, _)| self.may_repeat || !used.contains(&key(name)));
        let Some((name, named)) = unused else { return format!("t{}: __typename", self.count()) };
        let key = key(name);
        used.insert(key.clone());
        let alias = if has_alias { format!("{key}: ") } else { String::new() };
        match is_leaf(named) {
            true => format!("{alias}{name}{directive}"),
            false => {
                let fields = self.selections(named, depth - 1, &mut BTreeSet::new());
                format!("{alias}{name}{directive} {{ {fields} }}")
            }
        }
    }

    /// A type on which a fragment may be among selections from `of`.
    fn condition<'a>(&mut self, of: &'a str) -> &'a str {
        let of_messages = &EVENTS[..MESSAGE_EVENTS];
        let mut possible = vec![of];
        match of {
            "RoomEvent" => possible.extend(EVENTS.iter().chain(&["MessageEvent"])),
            "MessageEvent" => possible.extend(of_messages.iter().chain(&["RoomEvent"])),
            _ if of_messages.contains(&of) => possible.extend(["MessageEvent", "RoomEvent"]),
            _ if EVENTS.contains(&of) => possible.push("RoomEvent"),
            _ => {}
        }
        possible[self.below(possible.len())]
    }

    fn directive(&mut self) -> &'static str {
        if self.has_directives { DIRECTIVES[self.below(DIRECTIVES.len())] } else { "" }
    }

    fn count(&mut self) -> usize {
        self.count += 1;
        self.count
    }
}
