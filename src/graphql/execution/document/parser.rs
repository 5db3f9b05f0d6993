//! Parses tokens to a document, following section 2 of the GraphQL specification. The result equals that of async-graphql's
//! own parser, which is not used because it refuses string literals that the specification allows and loses digits of large
//! integers.
//!
//! The parser recurses no deeper than the nesting that the lexer has checked.

use std::collections::HashMap;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{
    BaseType, Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition, FragmentSpread,
    InlineFragment, OperationDefinition, OperationType, Selection, SelectionSet, Type, TypeCondition,
    VariableDefinition,
};
use async_graphql::{Name, Pos, Positioned};
use async_graphql_value::Value;

use crate::graphql::execution::document::lexer::{Kind, Token, syntax_error};
use crate::graphql::execution::document::rejection::Rejection;
use crate::graphql::execution::document::strings;

type Parsed<T> = Result<T, Rejection>;
type Argument = (Positioned<Name>, Positioned<Value>);

/// Parses a document.
pub(super) fn parse(tokens: &[Token<'_>]) -> Parsed<ExecutableDocument> {
    let mut parser = Parser { tokens, at: 0 };
    let mut anonymous = None;
    let mut named = HashMap::new();
    let mut fragments = HashMap::new();
    while let Some(token) = parser.peek() {
        match (token.kind, token.text) {
            (Kind::Punctuator(b'{'), _) | (Kind::Name, "query" | "mutation" | "subscription") => {
                let (name, operation) = parser.operation()?;
                let operation = Positioned::new(operation, token.pos);
                match name {
                    Some(name) => {
                        if named.insert(name.node, operation).is_some() {
                            return Err(TWO_OPERATIONS);
                        }
                    }
                    None if anonymous.is_some() => return Err(NOT_ALONE),
                    None => anonymous = Some(operation),
                }
            }
            (Kind::Name, "fragment") => {
                let (name, fragment) = parser.fragment()?;
                if fragments.insert(name.node, Positioned::new(fragment, token.pos)).is_some() {
                    return Err(TWO_FRAGMENTS);
                }
            }
            _ => return Err(parser.unexpected("an operation or a fragment")),
        }
    }
    let operations = match anonymous {
        Some(_) if !named.is_empty() => return Err(NOT_ALONE),
        Some(anonymous) => DocumentOperations::Single(anonymous),
        None if named.is_empty() => return Err(Rejection::Malformed("the document has no operation")),
        None => DocumentOperations::Multiple(named),
    };
    Ok(ExecutableDocument { operations, fragments })
}

const TWO_OPERATIONS: Rejection = Rejection::Malformed("two operations of the document have the same name");
const TWO_FRAGMENTS: Rejection = Rejection::Malformed("two fragments of the document have the same name");
const NOT_ALONE: Rejection = Rejection::Malformed("an operation without a name must be the only one of its document");

struct Parser<'a, 't> {
    tokens: &'t [Token<'a>],
    at: usize,
}

impl<'a> Parser<'a, '_> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn is_next(&self, punctuator: u8) -> bool {
        self.peek().is_some_and(|token| token.kind == Kind::Punctuator(punctuator))
    }

    fn is_keyword_next(&self, keyword: &str) -> bool {
        self.peek().is_some_and(|token| token.kind == Kind::Name && token.text == keyword)
    }

    /// The position of the next token, or of the last one at the end.
    fn pos(&self) -> Pos {
        self.peek().or_else(|| self.tokens.last().copied()).map_or(Pos { line: 1, column: 1 }, |token| token.pos)
    }

    /// Consumes the next token if it is this punctuator, and returns whether it was.
    fn accept(&mut self, punctuator: u8) -> bool {
        let accepts = self.is_next(punctuator);
        self.at += usize::from(accepts);
        accepts
    }

    fn expect(&mut self, punctuator: u8) -> Parsed<Pos> {
        let pos = self.pos();
        match self.accept(punctuator) {
            true => Ok(pos),
            false => Err(self.unexpected(&format!("`{}`", char::from(punctuator)))),
        }
    }

    fn unexpected(&self, expected: &str) -> Rejection {
        match self.peek() {
            Some(_) => syntax_error(self.pos(), format!("expected {expected}")),
            None => syntax_error(self.pos(), format!("the document ends where {expected} is expected")),
        }
    }

    fn name(&mut self) -> Parsed<Positioned<Name>> {
        match self.peek() {
            Some(Token { kind: Kind::Name, text, pos }) => {
                self.at += 1;
                Ok(Positioned::new(Name::new(text), pos))
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// Parses one or more items between these punctuators.
    fn many<T>(&mut self, open: u8, close: u8, read: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect(open)?;
        let mut all = vec![read(self)?];
        while !self.accept(close) {
            all.push(read(self)?);
        }
        Ok(all)
    }

    fn operation(&mut self) -> Parsed<(Option<Positioned<Name>>, OperationDefinition)> {
        let mut operation = OperationDefinition {
            ty: OperationType::Query,
            variable_definitions: Vec::new(),
            directives: Vec::new(),
            selection_set: Positioned::default(),
        };
        let mut name = None;
        if !self.is_next(b'{') {
            operation.ty = match self.name()?.node.as_str() {
                "mutation" => OperationType::Mutation,
                "subscription" => OperationType::Subscription,
                _ => OperationType::Query,
            };
            if self.peek().is_some_and(|token| token.kind == Kind::Name) {
                name = Some(self.name()?);
            }
            if self.is_next(b'(') {
                operation.variable_definitions = self.many(b'(', b')', Self::variable_definition)?;
            }
            operation.directives = self.directives()?;
        }
        operation.selection_set = self.selection_set()?;
        Ok((name, operation))
    }

    fn variable_definition(&mut self) -> Parsed<Positioned<VariableDefinition>> {
        let (name, pos) = self.variable()?;
        self.expect(b':')?;
        let type_pos = self.pos();
        let var_type = Positioned::new(self.type_reference()?, type_pos);
        let mut default_value = None;
        if self.accept(b'=') {
            let value = self.value()?;
            let constant = value
                .node
                .into_const()
                .ok_or_else(|| syntax_error(value.pos, "a default may not contain variables".to_owned()))?;
            default_value = Some(Positioned::new(constant, value.pos));
        }
        let directives = self.directives()?;
        Ok(Positioned::new(VariableDefinition { name, var_type, directives, default_value }, pos))
    }

    /// The name of a variable, and the position of its dollar sign.
    fn variable(&mut self) -> Parsed<(Positioned<Name>, Pos)> {
        let pos = self.expect(b'$')?;
        Ok((self.name()?, pos))
    }

    fn type_reference(&mut self) -> Parsed<Type> {
        let base = match self.accept(b'[') {
            true => {
                let item = self.type_reference()?;
                self.expect(b']')?;
                BaseType::List(Box::new(item))
            }
            false => BaseType::Named(self.name()?.node),
        };
        Ok(Type { base, nullable: !self.accept(b'!') })
    }

    fn selection_set(&mut self) -> Parsed<Positioned<SelectionSet>> {
        let pos = self.pos();
        Ok(Positioned::new(SelectionSet { items: self.many(b'{', b'}', Self::selection)? }, pos))
    }

    fn selection(&mut self) -> Parsed<Positioned<Selection>> {
        let pos = self.pos();
        let selection = match self.accept(b'.') {
            false => Selection::Field(Positioned::new(self.field()?, pos)),
            true if self.peek().is_some_and(|token| token.kind == Kind::Name && token.text != "on") => {
                let spread = FragmentSpread { fragment_name: self.name()?, directives: self.directives()? };
                Selection::FragmentSpread(Positioned::new(spread, pos))
            }
            true => {
                let type_condition = if self.is_keyword_next("on") { Some(self.type_condition()?) } else { None };
                let directives = self.directives()?;
                let selection_set = self.selection_set()?;
                let fragment = InlineFragment { type_condition, directives, selection_set };
                Selection::InlineFragment(Positioned::new(fragment, pos))
            }
        };
        Ok(Positioned::new(selection, pos))
    }

    fn field(&mut self) -> Parsed<Field> {
        let mut name = self.name()?;
        let mut alias = None;
        if self.accept(b':') {
            alias = Some(std::mem::replace(&mut name, self.name()?));
        }
        let arguments = self.arguments()?;
        let directives = self.directives()?;
        let selection_set = if self.is_next(b'{') { self.selection_set()? } else { Positioned::default() };
        Ok(Field { alias, name, arguments, directives, selection_set })
    }

    fn arguments(&mut self) -> Parsed<Vec<Argument>> {
        match self.is_next(b'(') {
            true => self.many(b'(', b')', |parser| {
                let name = parser.name()?;
                parser.expect(b':')?;
                Ok((name, parser.value()?))
            }),
            false => Ok(Vec::new()),
        }
    }

    fn directives(&mut self) -> Parsed<Vec<Positioned<Directive>>> {
        let mut directives = Vec::new();
        while self.is_next(b'@') {
            let pos = self.expect(b'@')?;
            let directive = Directive { name: self.name()?, arguments: self.arguments()? };
            directives.push(Positioned::new(directive, pos));
        }
        Ok(directives)
    }

    fn type_condition(&mut self) -> Parsed<Positioned<TypeCondition>> {
        let pos = self.pos();
        if !self.is_keyword_next("on") {
            return Err(self.unexpected("`on`"));
        }
        self.at += 1;
        Ok(Positioned::new(TypeCondition { on: self.name()? }, pos))
    }

    fn fragment(&mut self) -> Parsed<(Positioned<Name>, FragmentDefinition)> {
        self.at += 1;
        if self.is_keyword_next("on") {
            return Err(self.unexpected("the name of the fragment"));
        }
        let name = self.name()?;
        let type_condition = self.type_condition()?;
        let directives = self.directives()?;
        let selection_set = self.selection_set()?;
        Ok((name, FragmentDefinition { type_condition, directives, selection_set }))
    }

    fn value(&mut self) -> Parsed<Positioned<Value>> {
        let pos = self.pos();
        let Some(token) = self.peek() else { return Err(self.unexpected("a value")) };
        let value = match token.kind {
            Kind::Punctuator(b'$') => Value::Variable(self.variable()?.0.node),
            Kind::Punctuator(b'[') => Value::List(self.list()?),
            Kind::Punctuator(b'{') => return self.object(),
            Kind::Punctuator(_) => return Err(self.unexpected("a value")),
            _ => {
                self.at += 1;
                leaf(token)?
            }
        };
        Ok(Positioned::new(value, pos))
    }

    fn list(&mut self) -> Parsed<Vec<Value>> {
        self.expect(b'[')?;
        let mut items = Vec::new();
        while !self.accept(b']') {
            items.push(self.value()?.node);
        }
        Ok(items)
    }

    fn object(&mut self) -> Parsed<Positioned<Value>> {
        let pos = self.expect(b'{')?;
        let mut fields = IndexMap::new();
        while !self.accept(b'}') {
            let name = self.name()?;
            self.expect(b':')?;
            if fields.insert(name.node, self.value()?.node).is_some() {
                return Err(Rejection::InputFieldTwice { at: name.pos });
            }
        }
        Ok(Positioned::new(Value::Object(fields), pos))
    }
}

/// A value of one token. An integer that does not fit an `i64` is kept as an enum value named like its digits, which is not a
/// valid name. Where an ID is expected, it becomes its digits.
fn leaf(token: Token<'_>) -> Parsed<Value> {
    Ok(match (token.kind, token.text) {
        (Kind::Name, "true") => Value::Boolean(true),
        (Kind::Name, "false") => Value::Boolean(false),
        (Kind::Name, "null") => Value::Null,
        (Kind::Name, name) => Value::Enum(Name::new(name)),
        (Kind::Int, digits) => match digits.parse::<i64>() {
            Ok(number) if digits != "-0" => Value::Number(number.into()),
            _ => Value::Enum(Name::new(digits)),
        },
        (Kind::Float, digits) => {
            // The lexer has checked its form, so it can only be too large.
            let number = digits.parse().map_err(|_| syntax_error(token.pos, "this number is too large".to_owned()))?;
            Value::Number(number)
        }
        (Kind::String, literal) => {
            Value::String(strings::value(literal).map_err(|problem| syntax_error(token.pos, problem.to_owned()))?)
        }
        (Kind::BlockString, literal) => Value::String(strings::block_value(literal)),
        (Kind::Punctuator(_), _) => return Err(syntax_error(token.pos, "expected a value".to_owned())),
    })
}

/// Whether an enum value is an integer that [`leaf`] kept as its digits.
pub(super) fn is_kept_integer(name: &str) -> bool {
    name.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;
    use crate::graphql::execution::document::lexer::tokenize;
    use crate::graphql::execution::document::tests::LIMITS;

    fn read(text: &str) -> Parsed<ExecutableDocument> {
        parse(&tokenize(text, &LIMITS)?)
    }

    /// Documents that both parsers accept.
    const DOCUMENTS: [&str; 14] = [
        "{a}",
        "query { a, b c }",
        "query Q($a: Int = 3, $b: [ID!]! , $c: In = {a: [1, {b: \"x\"}]}) @d(x: $a) { a }",
        "mutation M { a(b: 1, c: -2.5e+3, d: \"x\", e: true, f: null, g: ENUM, h: [$x, 1 2], i: {j: $k, l: {}}) { b } }",
        "subscription { a: b @skip(if: $c) @include(if: true) { c } }",
        "{ ...F ... on T @d { a } ... { b } ...@include(if: true) { c } }\nfragment F on T @x { ...G }\nfragment G on T { a }",
        "query A { a } query B { b } fragment on1 on On { on: type query }",
        "# ü\n{ ü: 1 }",
        "{\n  a(\n    x: \"ü\" y: 1\n  )\r\n  b\n}",
        "{ a(x: \"\"\"\n  one\n    two\n\"\"\") }",
        "\u{feff}{ a(x: \"\\u00fc\\n\") }",
        "query query { query: mutation(fragment: on) }",
        "{ a(x: 9223372036854775807 y: -9223372036854775808 z: 0.5) }",
        "{ true null false: true }",
    ];

    #[test]
    fn documents_are_parsed_like_async_graphql_parses_them() {
        for text in DOCUMENTS {
            match parse_query(text) {
                Ok(expected) => {
                    let parsed = read(text).unwrap_or_else(|rejection| panic!("{text}: {rejection}"));
                    assert_eq!(shown(&parsed), shown(&expected), "{text}");
                }
                Err(_) => assert!(read(text).is_err(), "{text}"),
            }
        }
    }

    /// A document with all its positions and sorted maps.
    fn shown(document: &ExecutableDocument) -> Vec<String> {
        let mut shown: Vec<_> = document.operations.iter().map(|operation| format!("{operation:?}")).collect();
        shown.extend(document.fragments.iter().map(|fragment| format!("{fragment:?}")));
        shown.sort();
        shown
    }

    #[test]
    fn documents_that_only_the_specification_allows_are_parsed() {
        for text in [
            r#"{ a(b: "\ud83d\ude00 \u{1F600}") }"#,
            "query($a: [ Int ! ] !) { a }",
            "query($a: Int = 1 @d) { a }",
            "{ a(b: nullable, c: trueish) }",
        ] {
            parse_query(text).expect_err(text);
            read(text).unwrap_or_else(|rejection| panic!("{text}: {rejection}"));
        }
    }

    #[test]
    fn invalid_documents_are_rejected() {
        for text in [
            "",
            "#",
            "{}",
            "{ }",
            "query",
            "query Q",
            "query () { a }",
            "{ a() }",
            "{ a(b) }",
            "{ a(b:) }",
            "{ a { } }",
            "{ a: }",
            "{ : a }",
            "{ ... }",
            "{ ...on { a } }",
            "{ ... on }",
            "fragment on on A { a } { a }",
            "fragment F { a } { a }",
            "fragment F on A { a }",
            "{ a } { b }",
            "{ a } query B { b }",
            "query B { b } { a }",
            "query A { a } query A { b }",
            "fragment F on A { a } fragment F on A { a } { a }",
            "{ a(b: $) }",
            "{ a(b: 01) }",
            "{ a(b: 1a) }",
            "{ a(b: 1.) }",
            "{ a(b: .5) }",
            "{ a(b: 1e) }",
            "{ a(b: +1) }",
            "{ a(b: 1.2.3) }",
            "{ a(b: -) }",
            "{ a(b: 1e999) }",
            "{ a(b: {c: 1, c: 2}) }",
            "query($a: Int = $b) { a }",
            "query($a) { a }",
            "query($a: [Int) { a }",
            "query($a: Int!!) { a }",
            "query(a: Int) { a }",
            "{ a @ }",
            "{ a @d() }",
            "type A { a: Int }",
            "{ a(b: \"\\ud83d\") }",
            "{ a",
            "a }",
            "queryQ { a }",
            "{ a ! }",
        ] {
            assert!(read(text).is_err(), "{text} was taken");
        }
    }
}
