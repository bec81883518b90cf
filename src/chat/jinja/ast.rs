//! A template as a tree. Chains (`a + b + c`, `a.b.c`, `elif`) lie side by side in vectors, so that only brackets and
//! blocks make it deep, and the parser bounds those.

use super::meter::{Charge, Meter, Outcome};
use super::text::Text;
use super::value::Value;
use std::collections::HashMap;
use std::rc::Rc;

/// A name, by its number in [`Names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sym(pub(super) u32);

/// All names of a template.
#[derive(Debug)]
pub(super) struct Names {
    names: Vec<Rc<str>>,
    numbers: HashMap<Rc<str>, Sym>,
    charge: Charge,
}

impl Names {
    pub(super) fn new(meter: &Rc<Meter>) -> Outcome<Self> {
        Ok(Self { names: Vec::new(), numbers: HashMap::new(), charge: Charge::new(meter, 0)? })
    }

    pub(super) fn get(&self, name: &str) -> Option<Sym> {
        self.numbers.get(name).copied()
    }

    pub(super) fn add(&mut self, name: &str) -> Outcome<Sym> {
        if let Some(sym) = self.get(name) {
            return Ok(sym);
        }
        // Three places of pointer and length, in tables that double.
        self.charge.grow(name.len() + 128)?;
        if self.names.try_reserve(1).is_err() || self.numbers.try_reserve(1).is_err() {
            return self.charge.meter().no_memory();
        }
        let (sym, name): (_, Rc<str>) = (Sym(self.names.len() as u32), name.into());
        self.names.push(Rc::clone(&name));
        self.numbers.insert(name, sym);
        Ok(sym)
    }

    pub(super) fn name(&self, sym: Sym) -> &str {
        self.names.get(sym.0 as usize).map_or("", |name| name)
    }
}

#[derive(Debug)]
pub(super) enum Expr {
    Const(Value),
    Name(Sym),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Positive(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    /// `a < b <= c`
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    /// From left to right, of one precedence.
    Arithmetic(Box<Expr>, Vec<(Operator, Expr)>),
    /// `a ~ b ~ c`
    Concat(Vec<Expr>),
    /// `then if test else otherwise`
    If(Box<(Expr, Expr, Option<Expr>)>),
    Postfix(Box<Expr>, Vec<Post>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
}

impl Operator {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::FloorDivide => "//",
            Operator::Modulo => "%",
            Operator::Power => "**",
        }
    }
}

/// What may follow an expression.
#[derive(Debug)]
pub(super) enum Post {
    Attribute(Sym),
    Item(Expr),
    Slice(Box<[Option<Expr>; 3]>),
    Call(Args),
    Filter(Sym, Args),
    Test { name: Sym, args: Args, negated: bool },
}

#[derive(Debug, Default)]
pub(super) struct Args {
    pub(super) positional: Vec<Expr>,
    pub(super) named: Vec<(Sym, Expr)>,
    /// `*args` and `**kwargs`
    pub(super) unpacked: Option<Box<(Option<Expr>, Option<Expr>)>>,
}

#[derive(Debug)]
pub(super) struct Stmt {
    pub(super) line: u32,
    pub(super) kind: StmtKind,
}

pub(super) type Body = Vec<Stmt>;

#[derive(Debug)]
pub(super) enum StmtKind {
    Text(Text),
    Print(Expr),
    For(Rc<For>),
    If(Vec<(Expr, Body)>, Body),
    Set(Target, Expr),
    /// `set` with a body, and its filters.
    SetBlock(Target, Vec<Post>, Body),
    Macro(Rc<Macro>),
    /// `call`: what is called, and its `caller`.
    Call(Expr, Rc<Macro>),
    Filter(Vec<Post>, Body),
    With(Vec<(Target, Expr)>, Body),
    /// `generation`: a body with a scope of its own.
    Scoped(Body),
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct For {
    pub(super) target: Target,
    pub(super) items: Expr,
    pub(super) test: Option<Expr>,
    pub(super) recursive: bool,
    pub(super) body: Body,
    pub(super) otherwise: Body,
}

/// What is assigned to.
#[derive(Debug)]
pub(super) enum Target {
    Name(Sym),
    Tuple(Vec<Target>),
    /// `namespace.name`
    Attribute(Sym, Sym),
}

#[derive(Debug)]
pub(super) struct Macro {
    pub(super) name: Sym,
    /// The last of them have defaults.
    pub(super) parameters: Vec<(Sym, Option<Expr>)>,
    pub(super) body: Body,
    /// The body speaks of `varargs` and `kwargs`, and so takes more arguments than it names.
    pub(super) varargs: bool,
    pub(super) kwargs: bool,
}
