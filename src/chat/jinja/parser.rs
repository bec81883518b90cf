//! Tokens to a tree: the statements. Expressions are in `expression.rs`.

use super::ast::{Args, Body, Expr, For, Macro, Names, Post, Stmt, StmtKind, Sym, Target};
use super::lexer::{Lexer, Token};
use super::meter::{Charge, Meter, Outcome, fault};
use super::text::{Mark, Text};
use std::rc::Rc;

/// Brackets and blocks inside each other.
const MAX_DEPTH: usize = 64;
/// What a node takes in memory beside the vector it lies in.
const NODE: usize = 64;

pub(super) struct Parser<'s> {
    lexer: Lexer<'s>,
    pub(super) current: Token<'s>,
    /// The token after it, where it was needed.
    ahead: Option<Token<'s>>,
    pub(super) names: Names,
    pub(super) meter: Rc<Meter>,
    pub(super) charge: Charge,
    depth: usize,
    /// Of the macros being read: do they speak of `varargs` and `kwargs`?
    pub(super) macros: Vec<(bool, bool)>,
    loops: usize,
}

impl<'s> Parser<'s> {
    pub(super) fn new(source: &'s str, meter: &Rc<Meter>) -> Outcome<Self> {
        let mut lexer = Lexer::new(source);
        let current = lexer.next();
        let current = current.map_err(|fault| fault.at(lexer.line()))?;
        Ok(Self {
            lexer,
            current,
            ahead: None,
            names: Names::new(meter)?,
            meter: Rc::clone(meter),
            charge: Charge::new(meter, 0)?,
            depth: 0,
            macros: Vec::new(),
            loops: 0,
        })
    }

    /// The whole template.
    pub(super) fn template(&mut self) -> Outcome<Body> {
        let body = self.body(&[]);
        body.map_err(|fault| fault.at(self.lexer.line()))
    }

    /// The names, and the price of the tree, to be held as long as the tree is.
    pub(super) fn finish(self) -> (Names, Charge) {
        (self.names, self.charge)
    }

    pub(super) fn advance(&mut self) -> Outcome<Token<'s>> {
        let next = match self.ahead.take() {
            Some(token) => token,
            None => self.lexer.next()?,
        };
        Ok(std::mem::replace(&mut self.current, next))
    }

    /// The token after the current one.
    pub(super) fn look(&mut self) -> Outcome<&Token<'s>> {
        let token = match self.ahead.take() {
            Some(token) => token,
            None => self.lexer.next()?,
        };
        Ok(self.ahead.insert(token))
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(&self.current, Token::Name(found) if *found == name)
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(&self.current, Token::Sign(found) if *found == sign)
    }

    pub(super) fn skip_name(&mut self, name: &str) -> Outcome<bool> {
        let found = self.is_name(name);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn skip_sign(&mut self, sign: &str) -> Outcome<bool> {
        let found = self.is_sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect_sign(&mut self, sign: &str) -> Outcome {
        if self.skip_sign(sign)? { Ok(()) } else { self.unexpected(&format!("`{sign}`")) }
    }

    pub(super) fn unexpected<T>(&self, expected: &str) -> Outcome<T> {
        fault(format!("found {}, expected {expected}", self.current))
    }

    pub(super) fn name(&mut self) -> Outcome<Sym> {
        match self.current {
            Token::Name(name) => {
                self.advance()?;
                self.names.add(name)
            }
            _ => self.unexpected("a name"),
        }
    }

    pub(super) fn push<T>(&mut self, v: &mut Vec<T>, item: T) -> Outcome {
        self.charge.reserve(v, 1)?;
        v.push(item);
        Ok(())
    }

    /// Pays for a node of the tree.
    pub(super) fn node(&mut self) -> Outcome {
        self.meter.work(1)?;
        self.charge.grow(NODE)
    }

    /// Goes one deeper.
    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        if self.depth >= MAX_DEPTH {
            return fault(format!("brackets and blocks are nested more than {MAX_DEPTH} deep"));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Statements up to one of the names, which is left as the current token, or to the end where there are none.
    fn body(&mut self, ends: &[&str]) -> Outcome<Body> {
        let mut body = Vec::new();
        loop {
            let line = self.lexer.line();
            let kind = match &self.current {
                Token::End if ends.is_empty() => return Ok(body),
                Token::End => return fault(format!("the template ends where `{}` was expected", ends.join("` or `"))),
                Token::Data(text) => {
                    let text = Text::new(&self.meter, text, Mark::Template)?;
                    self.advance()?;
                    StmtKind::Text(text)
                }
                Token::VariableBegin => {
                    self.advance()?;
                    let value = self.tuple(true)?;
                    if !matches!(self.current, Token::VariableEnd) {
                        return self.unexpected("`}}`");
                    }
                    self.advance()?;
                    StmtKind::Print(value)
                }
                _ => {
                    self.advance()?;
                    match self.current {
                        Token::Name(name) if ends.contains(&name) => return Ok(body),
                        Token::Name(name) => self.deeper(|p| p.statement(name))?,
                        _ => return self.unexpected("a statement"),
                    }
                }
            };
            self.node()?;
            self.push(&mut body, Stmt { line, kind })?;
        }
    }

    /// The end of a block tag.
    fn close(&mut self) -> Outcome {
        match self.current {
            Token::BlockEnd => self.advance().map(|_| ()),
            _ => self.unexpected("`%}`"),
        }
    }

    /// A body after the end of a tag, up to the tag `end` and with it.
    fn block(&mut self, end: &str) -> Outcome<Body> {
        self.close()?;
        let body = self.body(&[end])?;
        self.advance()?;
        // `endmacro` and its like may repeat the name.
        if end == "endmacro" && matches!(self.current, Token::Name(_)) {
            self.advance()?;
        }
        self.close()?;
        Ok(body)
    }

    fn statement(&mut self, name: &str) -> Outcome<StmtKind> {
        self.advance()?;
        match name {
            "if" => self.condition(),
            "for" => self.loop_statement(),
            "set" => self.assignment(),
            "macro" => {
                let name = self.name()?;
                self.expect_sign("(")?;
                let parameters = self.parameters()?;
                Ok(StmtKind::Macro(self.macro_body(name, parameters, "endmacro")?))
            }
            "call" => {
                let parameters = if self.skip_sign("(")? { self.parameters()? } else { Vec::new() };
                let call = self.expression()?;
                if !matches!(&call, Expr::Postfix(_, posts) if matches!(posts.last(), Some(Post::Call(_)))) {
                    return fault("`call` needs a call");
                }
                let caller = self.names.add("caller")?;
                Ok(StmtKind::Call(call, self.macro_body(caller, parameters, "endcall")?))
            }
            "filter" => {
                let filters = self.filters(true)?;
                Ok(StmtKind::Filter(filters, self.block("endfilter")?))
            }
            "with" => {
                let mut values = Vec::new();
                while !matches!(self.current, Token::BlockEnd) {
                    if !values.is_empty() {
                        self.expect_sign(",")?;
                    }
                    let target = self.target()?;
                    self.expect_sign("=")?;
                    let next = (target, self.expression()?);
                    self.push(&mut values, next)?;
                }
                Ok(StmtKind::With(values, self.block("endwith")?))
            }
            "generation" => Ok(StmtKind::Scoped(self.block("endgeneration")?)),
            "print" => {
                let value = self.tuple(true)?;
                self.close()?;
                Ok(StmtKind::Print(value))
            }
            "break" | "continue" => {
                if self.loops == 0 {
                    return fault(format!("`{name}` outside of a loop"));
                }
                self.close()?;
                Ok(if name == "break" { StmtKind::Break } else { StmtKind::Continue })
            }
            "include" | "import" | "from" | "extends" | "block" | "autoescape" => {
                fault(format!("it uses the statement `{name}`, which has no meaning in a chat template"))
            }
            _ => fault(format!("unknown statement `{name}`")),
        }
    }

    fn condition(&mut self) -> Outcome<StmtKind> {
        let mut branches = Vec::new();
        loop {
            let test = self.tuple(false)?;
            self.close()?;
            let body = self.body(&["elif", "else", "endif"])?;
            self.node()?;
            self.push(&mut branches, (test, body))?;
            if self.skip_name("elif")? {
                continue;
            }
            let otherwise = if self.skip_name("else")? { self.block("endif")? } else { self.end()? };
            return Ok(StmtKind::If(branches, otherwise));
        }
    }

    /// The name of an end tag, and its end.
    fn end(&mut self) -> Outcome<Body> {
        self.advance()?;
        self.close()?;
        Ok(Vec::new())
    }

    fn loop_statement(&mut self) -> Outcome<StmtKind> {
        let target = self.targets()?;
        if !self.skip_name("in")? {
            return self.unexpected("`in`");
        }
        let items = self.tuple(false)?;
        let test = if self.skip_name("if")? { Some(self.expression()?) } else { None };
        let recursive = self.skip_name("recursive")?;
        self.close()?;
        self.loops += 1;
        let body = self.body(&["else", "endfor"])?;
        self.loops -= 1;
        let otherwise = if self.skip_name("else")? { self.block("endfor")? } else { self.end()? };
        Ok(StmtKind::For(Rc::new(For { target, items, test, recursive, body, otherwise })))
    }

    fn assignment(&mut self) -> Outcome<StmtKind> {
        let target = self.targets()?;
        if self.skip_sign("=")? {
            let value = self.tuple(true)?;
            self.close()?;
            return Ok(StmtKind::Set(target, value));
        }
        let filters = self.filters(false)?;
        Ok(StmtKind::SetBlock(target, filters, self.block("endset")?))
    }

    /// `| name(args) | …`; the first stroke may be absent.
    fn filters(&mut self, bare: bool) -> Outcome<Vec<Post>> {
        let mut filters = Vec::new();
        while (bare && filters.is_empty()) || self.skip_sign("|")? {
            let name = self.dotted_name()?;
            let args = if self.skip_sign("(")? { self.arguments()? } else { Args::default() };
            self.node()?;
            self.push(&mut filters, Post::Filter(name, args))?;
        }
        Ok(filters)
    }

    /// Targets with commas between them.
    fn targets(&mut self) -> Outcome<Target> {
        let first = self.target()?;
        if !self.is_sign(",") {
            return Ok(first);
        }
        let mut targets = vec![first];
        while self.skip_sign(",")? && matches!(self.current, Token::Name(_) | Token::Sign("(")) && !self.is_name("in") {
            let next = self.target()?;
            self.push(&mut targets, next)?;
        }
        Ok(Target::Tuple(targets))
    }

    fn target(&mut self) -> Outcome<Target> {
        self.node()?;
        if self.skip_sign("(")? {
            let targets = self.deeper(Self::targets)?;
            self.expect_sign(")")?;
            return Ok(targets);
        }
        if let Token::Name(name @ ("true" | "false" | "none" | "True" | "False" | "None")) = self.current {
            return fault(format!("`{name}` can't be set"));
        }
        let name = self.name()?;
        if self.skip_sign(".")? { Ok(Target::Attribute(name, self.name()?)) } else { Ok(Target::Name(name)) }
    }

    /// The parameters of a macro, behind the opening bracket.
    fn parameters(&mut self) -> Outcome<Vec<(Sym, Option<Expr>)>> {
        let mut parameters: Vec<(Sym, Option<Expr>)> = Vec::new();
        while !self.skip_sign(")")? {
            if !parameters.is_empty() {
                self.expect_sign(",")?;
                if self.skip_sign(")")? {
                    break;
                }
            }
            self.node()?;
            let name = self.name()?;
            let default = if self.skip_sign("=")? { Some(self.expression()?) } else { None };
            if default.is_none() && matches!(parameters.last(), Some((_, Some(_)))) {
                return fault("a parameter without a default follows one with a default");
            }
            self.push(&mut parameters, (name, default))?;
        }
        Ok(parameters)
    }

    fn macro_body(&mut self, name: Sym, parameters: Vec<(Sym, Option<Expr>)>, end: &str) -> Outcome<Rc<Macro>> {
        self.macros.push((false, false));
        let loops = std::mem::take(&mut self.loops);
        let body = self.block(end)?;
        self.loops = loops;
        let (varargs, kwargs) = self.macros.pop().unwrap_or_default();
        Ok(Rc::new(Macro { name, parameters, body, varargs, kwargs }))
    }
}
