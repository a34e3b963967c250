//! The grammar. Recursion is bounded by the limit on nesting, which `token_limits` checks before.

use std::{collections::HashMap, mem};

use async_graphql::{
    Name, Pos, Positioned, ServerError,
    parser::types::{
        BaseType, Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition,
        FragmentSpread, InlineFragment, OperationDefinition, OperationType, Selection,
        SelectionSet, Type, TypeCondition, VariableDefinition,
    },
};
use async_graphql_value::{ConstValue, Value};
use serde_json::Number;

use super::lexer::{Lexer, Token, syntax_error};
use crate::error::{EndpointErrorCode, RequestError};

/// Parses a document.
///
/// # Errors
/// `GRAPHQL_PARSE_FAILED`, or `GRAPHQL_VALIDATION_FAILED` if a name is defined twice where the tree
/// has room for one.
pub(crate) fn parse_document(text: &str) -> Result<ExecutableDocument, RequestError> {
    let failed =
        |error| RequestError::from_errors(EndpointErrorCode::GraphqlParseFailed, vec![error]);
    let lexer = Lexer::new(text);
    let token = Positioned::new(Token::End, Pos::default());
    let mut parser = Parser { lexer, token, duplicates: Vec::new() };
    let definitions = parser.parse_document().map_err(failed)?;
    let document = parser.assemble_document(definitions);
    let code = EndpointErrorCode::GraphqlValidationFailed;
    match document {
        Some(document) if parser.duplicates.is_empty() => Ok(document),
        _ => Err(RequestError::from_errors(code, parser.duplicates)),
    }
}

enum Definition {
    Operation(Option<Name>, OperationDefinition),
    Fragment(Name, FragmentDefinition),
}

type ParseResult<T> = Result<T, ServerError>;
type Argument = (Positioned<Name>, Positioned<Value>);

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The next token.
    token: Positioned<Token<'a>>,
    /// Errors about names that are defined twice.
    duplicates: Vec<ServerError>,
}

impl<'a> Parser<'a> {
    fn parse_document(&mut self) -> ParseResult<Vec<Positioned<Definition>>> {
        self.advance()?;
        let mut definitions = Vec::new();
        while definitions.is_empty() || self.token.node != Token::End {
            definitions.push(self.parse_definition()?);
        }
        Ok(definitions)
    }

    /// Builds the tree; `None` without an operation.
    fn assemble_document(
        &mut self,
        definitions: Vec<Positioned<Definition>>,
    ) -> Option<ExecutableDocument> {
        let mut anonymous = None;
        let mut operations = HashMap::new();
        let mut fragments = HashMap::new();
        for Positioned { pos, node } in definitions {
            match node {
                Definition::Operation(None, operation) => {
                    if anonymous.replace(Positioned::new(operation, pos)).is_some() {
                        self.report_duplicate("An anonymous operation must be the only one.", pos);
                    }
                }
                Definition::Operation(Some(name), operation) => {
                    if operations.contains_key(&name) {
                        self.report_duplicate(
                            &format!("There are several operations \"{name}\"."),
                            pos,
                        );
                    }
                    operations.insert(name, Positioned::new(operation, pos));
                }
                Definition::Fragment(name, fragment) => {
                    if fragments.contains_key(&name) {
                        self.report_duplicate(
                            &format!("There are several fragments \"{name}\"."),
                            pos,
                        );
                    }
                    fragments.insert(name, Positioned::new(fragment, pos));
                }
            }
        }
        let operations = match anonymous {
            Some(operation) => {
                if !operations.is_empty() {
                    self.report_duplicate(
                        "An anonymous operation must be the only one.",
                        operation.pos,
                    );
                }
                DocumentOperations::Single(operation)
            }
            None if operations.is_empty() => {
                self.report_duplicate("The document has no operation.", Pos { line: 1, column: 1 });
                return None;
            }
            None => DocumentOperations::Multiple(operations),
        };
        Some(ExecutableDocument { operations, fragments })
    }

    fn report_duplicate(&mut self, message: &str, pos: Pos) {
        self.duplicates.push(ServerError::new(message, Some(pos)));
    }

    fn advance(&mut self) -> ParseResult<Positioned<Token<'a>>> {
        let next = self.lexer.next_token()?;
        Ok(mem::replace(&mut self.token, next))
    }

    fn unexpected(&self, expected: &str) -> ServerError {
        syntax_error(&format!("expected {expected}, found {}", self.token.node), self.token.pos)
    }

    fn is_next(&self, punctuator: char) -> bool {
        self.token.node == Token::Punctuator(punctuator)
    }

    fn take(&mut self, punctuator: char) -> ParseResult<bool> {
        let taken = self.is_next(punctuator);
        if taken {
            self.advance()?;
        }
        Ok(taken)
    }

    fn expect(&mut self, punctuator: char) -> ParseResult<()> {
        if self.take(punctuator)? {
            Ok(())
        } else {
            Err(self.unexpected(&format!("\"{punctuator}\"")))
        }
    }

    fn take_keyword(&mut self, keyword: &str) -> ParseResult<bool> {
        let taken = self.token.node == Token::Name(keyword);
        if taken {
            self.advance()?;
        }
        Ok(taken)
    }

    fn parse_name(&mut self) -> ParseResult<Positioned<Name>> {
        let Token::Name(name) = self.token.node else { return Err(self.unexpected("a name")) };
        Ok(Positioned::new(Name::new(name), self.advance()?.pos))
    }

    fn parse_fragment_name(&mut self) -> ParseResult<Positioned<Name>> {
        if self.token.node == Token::Name("on") {
            return Err(self.unexpected("the name of a fragment"));
        }
        self.parse_name()
    }

    /// Reads items up to `close`, of which there must be one.
    fn parse_items<T>(
        &mut self,
        close: char,
        mut item: impl FnMut(&mut Self) -> ParseResult<T>,
    ) -> ParseResult<Vec<T>> {
        let mut items = vec![item(self)?];
        while !self.take(close)? {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Reads items between `(` and `)`; none if there is no `(`.
    fn parse_optional_items<T>(
        &mut self,
        item: impl FnMut(&mut Self) -> ParseResult<T>,
    ) -> ParseResult<Vec<T>> {
        if self.take('(')? { self.parse_items(')', item) } else { Ok(Vec::new()) }
    }

    fn parse_definition(&mut self) -> ParseResult<Positioned<Definition>> {
        let pos = self.token.pos;
        if self.is_next('{') {
            let selection_set = self.parse_selection_set()?;
            let operation = OperationDefinition {
                ty: OperationType::Query,
                variable_definitions: Vec::new(),
                directives: Vec::new(),
                selection_set,
            };
            return Ok(Positioned::new(Definition::Operation(None, operation), pos));
        }
        self.skip_description()?;
        let ty = match self.token.node {
            Token::Name("query") => OperationType::Query,
            Token::Name("mutation") => OperationType::Mutation,
            Token::Name("subscription") => OperationType::Subscription,
            Token::Name("fragment") => return self.parse_fragment_definition(pos),
            _ => return Err(self.unexpected("an operation or a fragment")),
        };
        self.advance()?;
        let name = match self.token.node {
            Token::Name(_) => Some(self.parse_name()?.node),
            _ => None,
        };
        let operation = OperationDefinition {
            ty,
            variable_definitions: self.parse_optional_items(Self::parse_variable_definition)?,
            directives: self.parse_directives(false)?,
            selection_set: self.parse_selection_set()?,
        };
        Ok(Positioned::new(Definition::Operation(name, operation), pos))
    }

    /// Since September 2025 a definition may have a description, which says nothing to a server.
    fn skip_description(&mut self) -> ParseResult<()> {
        if matches!(self.token.node, Token::String(_)) {
            self.advance()?;
        }
        Ok(())
    }

    fn parse_fragment_definition(&mut self, pos: Pos) -> ParseResult<Positioned<Definition>> {
        self.advance()?;
        let name = self.parse_fragment_name()?.node;
        let Some(type_condition) = self.parse_type_condition()? else {
            return Err(self.unexpected("\"on\""));
        };
        let fragment = FragmentDefinition {
            type_condition,
            directives: self.parse_directives(false)?,
            selection_set: self.parse_selection_set()?,
        };
        Ok(Positioned::new(Definition::Fragment(name, fragment), pos))
    }

    fn parse_type_condition(&mut self) -> ParseResult<Option<Positioned<TypeCondition>>> {
        let pos = self.token.pos;
        if !self.take_keyword("on")? {
            return Ok(None);
        }
        Ok(Some(Positioned::new(TypeCondition { on: self.parse_name()? }, pos)))
    }

    fn parse_variable_definition(&mut self) -> ParseResult<Positioned<VariableDefinition>> {
        self.skip_description()?;
        let pos = self.token.pos;
        self.expect('$')?;
        let name = self.parse_name()?;
        self.expect(':')?;
        let type_pos = self.token.pos;
        let var_type = Positioned::new(self.parse_type_reference()?, type_pos);
        let default_value = if self.take('=')? { Some(self.parse_constant()?) } else { None };
        let directives = self.parse_directives(true)?;
        Ok(Positioned::new(VariableDefinition { name, var_type, directives, default_value }, pos))
    }

    fn parse_type_reference(&mut self) -> ParseResult<Type> {
        let base = if self.take('[')? {
            let inner = self.parse_type_reference()?;
            self.expect(']')?;
            BaseType::List(Box::new(inner))
        } else {
            BaseType::Named(self.parse_name()?.node)
        };
        Ok(Type { base, nullable: !self.take('!')? })
    }

    fn parse_selection_set(&mut self) -> ParseResult<Positioned<SelectionSet>> {
        let pos = self.token.pos;
        self.expect('{')?;
        Ok(Positioned::new(
            SelectionSet { items: self.parse_items('}', Self::parse_selection)? },
            pos,
        ))
    }

    fn parse_selection(&mut self) -> ParseResult<Positioned<Selection>> {
        let pos = self.token.pos;
        let selection = if self.token.node == Token::Spread {
            self.advance()?;
            self.parse_fragment(pos)?
        } else {
            Selection::Field(Positioned::new(self.parse_field()?, pos))
        };
        Ok(Positioned::new(selection, pos))
    }

    fn parse_fragment(&mut self, pos: Pos) -> ParseResult<Selection> {
        if matches!(self.token.node, Token::Name(name) if name != "on") {
            let spread = FragmentSpread {
                fragment_name: self.parse_name()?,
                directives: self.parse_directives(false)?,
            };
            return Ok(Selection::FragmentSpread(Positioned::new(spread, pos)));
        }
        let fragment = InlineFragment {
            type_condition: self.parse_type_condition()?,
            directives: self.parse_directives(false)?,
            selection_set: self.parse_selection_set()?,
        };
        Ok(Selection::InlineFragment(Positioned::new(fragment, pos)))
    }

    fn parse_field(&mut self) -> ParseResult<Field> {
        let first = self.parse_name()?;
        let (alias, name) =
            if self.take(':')? { (Some(first), self.parse_name()?) } else { (None, first) };
        Ok(Field {
            alias,
            name,
            arguments: self.parse_arguments(false)?,
            directives: self.parse_directives(false)?,
            selection_set: if self.is_next('{') {
                self.parse_selection_set()?
            } else {
                Positioned::default()
            },
        })
    }

    fn parse_arguments(&mut self, constant: bool) -> ParseResult<Vec<Argument>> {
        self.parse_optional_items(|parser| {
            let name = parser.parse_name()?;
            parser.expect(':')?;
            Ok((name, parser.parse_value(constant)?))
        })
    }

    fn parse_directives(&mut self, constant: bool) -> ParseResult<Vec<Positioned<Directive>>> {
        let mut directives = Vec::new();
        while self.is_next('@') {
            let pos = self.advance()?.pos;
            let name = self.parse_name()?;
            let directive = Directive { name, arguments: self.parse_arguments(constant)? };
            directives.push(Positioned::new(directive, pos));
        }
        Ok(directives)
    }

    fn parse_constant(&mut self) -> ParseResult<Positioned<ConstValue>> {
        let Positioned { pos, node } = self.parse_value(true)?;
        let constant = node.into_const().ok_or_else(|| self.unexpected("a constant"))?;
        Ok(Positioned::new(constant, pos))
    }

    fn parse_value(&mut self, constant: bool) -> ParseResult<Positioned<Value>> {
        let pos = self.token.pos;
        if constant && self.is_next('$') {
            return Err(self.unexpected("a constant"));
        }
        let value = match self.advance()?.node {
            Token::Punctuator('$') => Value::Variable(self.parse_name()?.node),
            Token::Punctuator('[') => {
                let mut items = Vec::new();
                while !self.take(']')? {
                    items.push(self.parse_value(constant)?.node);
                }
                Value::List(items)
            }
            Token::Punctuator('{') => self.parse_object(constant)?,
            Token::Int(text) | Token::Float(text) => Value::Number(
                parse_number(text).ok_or_else(|| syntax_error("a number is out of range", pos))?,
            ),
            Token::String(text) => Value::String(text),
            Token::Name("true") => Value::Boolean(true),
            Token::Name("false") => Value::Boolean(false),
            Token::Name("null") => Value::Null,
            Token::Name(name) => Value::Enum(Name::new(name)),
            token => return Err(syntax_error(&format!("expected a value, found {token}"), pos)),
        };
        Ok(Positioned::new(value, pos))
    }

    fn parse_object(&mut self, constant: bool) -> ParseResult<Value> {
        let mut fields = async_graphql::indexmap::IndexMap::new();
        while !self.take('}')? {
            let name = self.parse_name()?;
            self.expect(':')?;
            let value = self.parse_value(constant)?.node;
            // Section 5.6.3, "Input object field uniqueness".
            if fields.contains_key(&name.node) {
                let message = format!("The input field \"{}\" is given twice.", name.node);
                self.report_duplicate(&message, name.pos);
            }
            fields.insert(name.node, value);
        }
        Ok(Value::Object(fields))
    }
}

/// Returns the value of a number; an integer that needs more than 64 bits becomes a float. `None` if
/// it is beyond the floats.
fn parse_number(text: &str) -> Option<Number> {
    let integer = text.parse().map(i64::into).or_else(|_| text.parse().map(u64::into));
    integer.ok().or_else(|| text.parse().ok().and_then(Number::from_f64))
}
