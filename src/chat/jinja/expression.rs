//! Tokens to a tree: the expressions.

use super::ast::{Args, Comparison, Expr, Operator, Post, Sym};
use super::lexer::Token;
use super::meter::{Outcome, append, fault};
use super::parser::Parser;
use super::text::{Mark, Text};
use super::value::Value;

impl Parser<'_> {
    /// One expression, or several with commas between them, which make a tuple. Without `conditional` an `if` behind
    /// them is left for the loop that they belong to.
    pub(super) fn tuple(&mut self, conditional: bool) -> Outcome<Expr> {
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            let ends = matches!(self.current, Token::VariableEnd | Token::BlockEnd | Token::Sign(")"));
            if ends || (!conditional && (self.is_name("if") || self.is_name("recursive"))) {
                break;
            }
            let next = if conditional { self.expression()? } else { self.deeper(Self::or)? };
            self.push(&mut items, next)?;
            if !self.skip_sign(",")? {
                break;
            }
            comma = true;
        }
        match items.pop() {
            Some(item) if !comma => Ok(item),
            Some(item) => {
                self.push(&mut items, item)?;
                Ok(Expr::Tuple(items))
            }
            None => self.unexpected("an expression"),
        }
    }

    /// An expression, `a if b else c` among them.
    pub(super) fn expression(&mut self) -> Outcome<Expr> {
        self.deeper(|p| {
            let mut value = p.or()?;
            let mut turns = 0;
            while p.skip_name("if")? {
                let test = p.or()?;
                let otherwise = if p.skip_name("else")? { Some(p.expression()?) } else { None };
                p.node()?;
                // Only `a if b if c …` comes here twice.
                turns += 1;
                if turns > 8 {
                    return fault("too many conditions follow each other");
                }
                value = Expr::If(Box::new((value, test, otherwise)));
            }
            Ok(value)
        })
    }

    fn or(&mut self) -> Outcome<Expr> {
        self.chain("or", Self::and, Expr::Or)
    }

    fn and(&mut self) -> Outcome<Expr> {
        self.chain("and", Self::not, Expr::And)
    }

    fn chain(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Outcome<Expr>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Outcome<Expr> {
        let first = part(self)?;
        if !self.is_name(word) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip_name(word)? {
            let next = part(self)?;
            self.push(&mut parts, next)?;
        }
        Ok(join(parts))
    }

    fn not(&mut self) -> Outcome<Expr> {
        if self.skip_name("not")? {
            self.node()?;
            return self.deeper(|p| Ok(Expr::Not(Box::new(p.not()?))));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Outcome<Expr> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let negated = self.is_name("not") && *self.look()? == Token::Name("in");
            let comparison = match self.current {
                Token::Sign("==") => Comparison::Equal,
                Token::Sign("!=") => Comparison::NotEqual,
                Token::Sign("<") => Comparison::Less,
                Token::Sign("<=") => Comparison::LessOrEqual,
                Token::Sign(">") => Comparison::Greater,
                Token::Sign(">=") => Comparison::GreaterOrEqual,
                Token::Name("in") => Comparison::In,
                Token::Name("not") if negated => {
                    self.advance()?;
                    Comparison::NotIn
                }
                _ => break,
            };
            self.advance()?;
            let next = (comparison, self.sum()?);
            self.push(&mut rest, next)?;
        }
        Ok(if rest.is_empty() { first } else { Expr::Compare(Box::new(first), rest) })
    }

    fn sum(&mut self) -> Outcome<Expr> {
        self.arithmetic(&[("+", Operator::Add), ("-", Operator::Subtract)], Self::concat)
    }

    fn concat(&mut self) -> Outcome<Expr> {
        let first = self.product()?;
        if !self.is_sign("~") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip_sign("~")? {
            let next = self.product()?;
            self.push(&mut parts, next)?;
        }
        Ok(Expr::Concat(parts))
    }

    fn product(&mut self) -> Outcome<Expr> {
        const SIGNS: &[(&str, Operator)] = &[
            ("*", Operator::Multiply),
            ("/", Operator::Divide),
            ("//", Operator::FloorDivide),
            ("%", Operator::Modulo),
        ];
        self.arithmetic(SIGNS, Self::power)
    }

    fn power(&mut self) -> Outcome<Expr> {
        self.arithmetic(&[("**", Operator::Power)], |p| p.unary(true))
    }

    fn arithmetic(&mut self, signs: &[(&str, Operator)], part: fn(&mut Self) -> Outcome<Expr>) -> Outcome<Expr> {
        let first = part(self)?;
        let mut rest = Vec::new();
        while let Some(&(_, operator)) = signs.iter().find(|(sign, _)| self.is_sign(sign)) {
            self.advance()?;
            let next = (operator, part(self)?);
            self.push(&mut rest, next)?;
        }
        Ok(if rest.is_empty() { first } else { Expr::Arithmetic(Box::new(first), rest) })
    }

    fn unary(&mut self, filters: bool) -> Outcome<Expr> {
        self.node()?;
        let mut posts = Vec::new();
        let value = if self.skip_sign("-")? {
            self.deeper(|p| Ok(Expr::Negative(Box::new(p.unary(false)?))))?
        } else if self.skip_sign("+")? {
            self.deeper(|p| Ok(Expr::Positive(Box::new(p.unary(false)?))))?
        } else {
            self.primary()?
        };
        self.postfix(&mut posts)?;
        if filters {
            self.filters_and_tests(&mut posts)?;
        }
        Ok(if posts.is_empty() { value } else { Expr::Postfix(Box::new(value), posts) })
    }

    fn primary(&mut self) -> Outcome<Expr> {
        let value = match self.advance()? {
            Token::Name("true" | "True") => Value::Bool(true),
            Token::Name("false" | "False") => Value::Bool(false),
            Token::Name("none" | "None") => Value::None,
            Token::Name(name) => {
                if let Some((varargs, kwargs)) = self.macros.last_mut() {
                    *varargs |= name == "varargs";
                    *kwargs |= name == "kwargs";
                }
                return Ok(Expr::Name(self.names.add(name)?));
            }
            Token::Str(mut text) => {
                while let Token::Str(more) = &self.current {
                    append(&mut text, more)?;
                    self.advance()?;
                }
                Value::Str(Text::new(&self.meter, &text, Mark::Template)?)
            }
            Token::Int(number) => Value::Int(number),
            Token::Float(number) => Value::Float(number),
            Token::Sign("(") => {
                if self.skip_sign(")")? {
                    return Ok(Expr::Tuple(Vec::new()));
                }
                let value = self.tuple(true)?;
                self.expect_sign(")")?;
                return Ok(value);
            }
            Token::Sign("[") => {
                let items = self.items("]", Self::expression)?;
                return Ok(Expr::List(items));
            }
            Token::Sign("{") => {
                let items = self.items("}", |p| {
                    let key = p.expression()?;
                    p.expect_sign(":")?;
                    Ok((key, p.expression()?))
                })?;
                return Ok(Expr::Dict(items));
            }
            found => return fault(format!("found {found}, expected an expression")),
        };
        Ok(Expr::Const(value))
    }

    /// Parts with commas between them, up to the closing bracket.
    fn items<T>(&mut self, close: &str, part: fn(&mut Self) -> Outcome<T>) -> Outcome<Vec<T>> {
        let mut items = Vec::new();
        while !self.skip_sign(close)? {
            if !items.is_empty() {
                self.expect_sign(",")?;
                if self.skip_sign(close)? {
                    break;
                }
            }
            let next = part(self)?;
            self.push(&mut items, next)?;
        }
        Ok(items)
    }

    /// `.name`, `[item]` and `(arguments)`.
    fn postfix(&mut self, posts: &mut Vec<Post>) -> Outcome {
        loop {
            let post = if self.skip_sign(".")? {
                match self.current {
                    Token::Int(number) => {
                        self.advance()?;
                        Post::Item(Expr::Const(Value::Int(number)))
                    }
                    _ => Post::Attribute(self.name()?),
                }
            } else if self.skip_sign("[")? {
                self.subscript()?
            } else if self.skip_sign("(")? {
                Post::Call(self.arguments()?)
            } else {
                return Ok(());
            };
            self.node()?;
            self.push(posts, post)?;
        }
    }

    fn subscript(&mut self) -> Outcome<Post> {
        let mut parts = [None, None, None];
        let mut colons = 0;
        loop {
            if self.skip_sign("]")? {
                break;
            }
            if self.skip_sign(":")? {
                colons += 1;
                if colons > 2 {
                    return self.unexpected("`]`");
                }
            } else if parts[colons].is_none() {
                parts[colons] = Some(self.expression()?);
            } else {
                return self.unexpected("`]`");
            }
        }
        match (colons, parts) {
            (0, [Some(item), _, _]) => Ok(Post::Item(item)),
            (0, _) => fault("an empty subscript"),
            (_, parts) => Ok(Post::Slice(Box::new(parts))),
        }
    }

    /// A filter's or test's name, which may have dots.
    pub(super) fn dotted_name(&mut self) -> Outcome<Sym> {
        let mut name = self.name()?;
        while self.skip_sign(".")? {
            let part = self.name()?;
            let whole = format!("{}.{}", self.names.name(name), self.names.name(part));
            name = self.names.add(&whole)?;
        }
        Ok(name)
    }

    fn filters_and_tests(&mut self, posts: &mut Vec<Post>) -> Outcome {
        loop {
            let post = if self.skip_sign("|")? {
                let name = self.dotted_name()?;
                let args = if self.skip_sign("(")? { self.arguments()? } else { Args::default() };
                Post::Filter(name, args)
            } else if self.skip_name("is")? {
                self.test()?
            } else if self.skip_sign("(")? {
                Post::Call(self.arguments()?)
            } else {
                return Ok(());
            };
            self.node()?;
            self.push(posts, post)?;
        }
    }

    fn test(&mut self) -> Outcome<Post> {
        let negated = self.skip_name("not")?;
        let name = self.dotted_name()?;
        let mut args = Args::default();
        let argument = match &self.current {
            Token::Name(name) => !matches!(*name, "else" | "or" | "and" | "is"),
            Token::Str(_) | Token::Int(_) | Token::Float(_) | Token::Sign("[" | "{") => true,
            _ => false,
        };
        if self.skip_sign("(")? {
            args = self.arguments()?;
        } else if self.is_name("is") {
            return fault("tests can't follow each other: put brackets around the first");
        } else if argument {
            let value = self.deeper(Self::primary)?;
            let mut posts = Vec::new();
            self.postfix(&mut posts)?;
            let next = if posts.is_empty() { value } else { Expr::Postfix(Box::new(value), posts) };
            self.push(&mut args.positional, next)?;
        }
        Ok(Post::Test { name, args, negated })
    }

    /// Behind the opening bracket of a call.
    pub(super) fn arguments(&mut self) -> Outcome<Args> {
        let mut args = Args::default();
        let (mut list, mut dict) = (None, None);
        let mut first = true;
        while !self.skip_sign(")")? {
            if !first {
                self.expect_sign(",")?;
                if self.skip_sign(")")? {
                    break;
                }
            }
            first = false;
            if self.skip_sign("*")? {
                list = Some(self.expression()?);
            } else if self.skip_sign("**")? {
                dict = Some(self.expression()?);
            } else if matches!(self.current, Token::Name(_)) && *self.look()? == Token::Sign("=") {
                let name = self.name()?;
                self.advance()?;
                self.node()?;
                let next = (name, self.expression()?);
                self.push(&mut args.named, next)?;
            } else if args.named.is_empty() && dict.is_none() {
                let next = self.expression()?;
                self.push(&mut args.positional, next)?;
            } else {
                return fault("a positional argument follows a named one");
            }
        }
        if list.is_some() || dict.is_some() {
            args.unpacked = Some(Box::new((list, dict)));
        }
        Ok(args)
    }
}
