//! Runs a template: statements and scopes. Expressions are in `evaluate.rs`.
//!
//! Scopes, namespaces and loops lie in vectors here and are known by their number, so that nothing a template can build
//! holds itself.

use super::ast::{For, Macro, Names, Post, Stmt, StmtKind, Sym, Target};
use super::meter::{Charge, Meter, Outcome, fault};
use super::text::{Mark, Text, Writer};
use super::value::{Closure, Dict, Items, Kind, List, Value};
use std::rc::Rc;

/// Expressions, bodies and calls inside each other: what half a megabyte of stack holds.
const MAX_NESTING: usize = 240;

pub(super) struct Machine {
    pub(super) meter: Rc<Meter>,
    pub(super) names: Names,
    pub(super) known: Known,
    scopes: Vec<Scope>,
    /// Scopes that nobody uses.
    free: Vec<usize>,
    scope: usize,
    pub(super) cells: Vec<Cell>,
    pub(super) loops: Vec<Loop>,
    pub(super) charge: Charge,
    nesting: usize,
}

/// Names that mean something to the machine.
pub(super) struct Known {
    looped: Sym,
    pub(super) caller: Sym,
    varargs: Sym,
    kwargs: Sym,
    /// For what has no name.
    pub(super) nameless: Sym,
}

struct Scope {
    variables: Vec<(Sym, Value)>,
    parent: Option<usize>,
    /// A macro was defined in it, so it stays.
    captured: bool,
}

/// The values that change.
pub(super) enum Cell {
    Namespace(Vec<(Sym, Value)>),
    Cycler { items: Vec<Value>, at: usize },
    Joiner { separator: Value, used: bool },
}

/// A loop that runs.
pub(super) struct Loop {
    pub(super) items: Option<Rc<List>>,
    pub(super) index: usize,
    pub(super) depth: usize,
    pub(super) changed: Option<Value>,
    /// What `loop(…)` runs, and in which scope.
    pub(super) recursive: Option<Rc<For>>,
    pub(super) scope: usize,
    /// `loop` is the value of something, or seen by a macro, and may be asked when the loop is over.
    pub(super) kept: bool,
}

/// How a body ended.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
}

impl Machine {
    pub(super) fn new(mut names: Names, meter: &Rc<Meter>) -> Outcome<Self> {
        let known = Known {
            looped: names.add("loop")?,
            caller: names.add("caller")?,
            varargs: names.add("varargs")?,
            kwargs: names.add("kwargs")?,
            nameless: names.add("the element")?,
        };
        Ok(Self {
            meter: Rc::clone(meter),
            names,
            known,
            scopes: vec![Scope { variables: Vec::new(), parent: None, captured: true }],
            free: Vec::new(),
            scope: 0,
            cells: Vec::new(),
            loops: Vec::new(),
            charge: Charge::new(meter, 1024)?,
            nesting: 0,
        })
    }

    pub(super) fn string(&self, text: &str) -> Outcome<Value> {
        Ok(Value::Str(Text::new(&self.meter, text, Mark::Template)?))
    }

    /// Does something one level deeper.
    pub(super) fn nested<T>(&mut self, work: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        if self.nesting >= MAX_NESTING {
            return fault(format!("calls, blocks and expressions are nested more than {MAX_NESTING} deep"));
        }
        self.nesting += 1;
        let done = work(self);
        self.nesting -= 1;
        done
    }

    // ── scopes ──────────────────────────────────────────────────────────────────────────────────

    pub(super) fn lookup(&self, name: Sym) -> Outcome<Option<&Value>> {
        let mut scope = self.scopes.get(self.scope);
        while let Some(Scope { variables, parent, .. }) = scope {
            self.meter.work(variables.len() / 8)?;
            if let Some((_, value)) = variables.iter().rev().find(|(other, _)| *other == name) {
                return Ok(Some(value));
            }
            scope = parent.and_then(|parent| self.scopes.get(parent));
        }
        Ok(None)
    }

    pub(super) fn set(&mut self, name: Sym, value: Value) -> Outcome {
        let Some(scope) = self.scopes.get_mut(self.scope) else { return Ok(()) };
        self.meter.work(scope.variables.len() / 8)?;
        match scope.variables.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => {
                self.charge.reserve(&mut scope.variables, 1)?;
                scope.variables.push((name, value));
            }
        }
        Ok(())
    }

    /// Does something in a new scope inside of another one.
    fn scoped<T>(&mut self, parent: usize, work: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        let fresh = Scope { variables: Vec::new(), parent: Some(parent), captured: false };
        let new = match self.free.pop() {
            Some(free) => {
                if let Some(scope) = self.scopes.get_mut(free) {
                    scope.parent = Some(parent);
                }
                free
            }
            None => {
                self.charge.reserve(&mut self.scopes, 1)?;
                self.scopes.push(fresh);
                self.scopes.len() - 1
            }
        };
        let before = std::mem::replace(&mut self.scope, new);
        let done = work(self);
        self.scope = before;
        if let Some(scope) = self.scopes.get_mut(new).filter(|scope| !scope.captured) {
            scope.variables.clear();
            self.charge.reserve(&mut self.free, 1)?;
            self.free.push(new);
        }
        done
    }

    fn inner<T>(&mut self, work: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        self.scoped(self.scope, work)
    }

    fn closure(&mut self, body: &Rc<Macro>) -> Outcome<Value> {
        let mut at = Some(self.scope);
        while let Some(scope) = at.and_then(|at| self.scopes.get_mut(at)).filter(|scope| !scope.captured) {
            scope.captured = true;
            at = scope.parent;
        }
        self.meter.work(1 + self.loops.len() / 8)?;
        self.loops.iter_mut().for_each(|state| state.kept = true);
        let charge = Charge::new(&self.meter, size_of::<Closure>() + 16)?;
        Ok(Value::Macro(Rc::new(Closure { body: Rc::clone(body), scope: self.scope, _charge: charge })))
    }

    pub(super) fn assign(&mut self, target: &Target, value: Value) -> Outcome {
        match target {
            Target::Name(name) => self.set(*name, value),
            Target::Attribute(name, attribute) => {
                let Some(&Value::Cell(cell)) = self.lookup(*name)? else {
                    return fault(format!(
                        "`{}` is no namespace, only its attributes can be set",
                        self.names.name(*name)
                    ));
                };
                self.set_attribute(cell, *attribute, value)
            }
            Target::Tuple(targets) => {
                let items = self.iterate(&value)?;
                if items.items.len() != targets.len() {
                    return fault(format!("{} values for {} names", items.items.len(), targets.len()));
                }
                targets.iter().zip(&items.items).try_for_each(|(target, value)| self.assign(target, value.clone()))
            }
        }
    }

    pub(super) fn set_attribute(&mut self, cell: usize, name: Sym, value: Value) -> Outcome {
        let Some(Cell::Namespace(attributes)) = self.cells.get_mut(cell) else {
            return fault("only the attributes of a namespace can be set");
        };
        self.meter.work(1 + attributes.len() / 8)?;
        match attributes.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => {
                self.charge.reserve(attributes, 1)?;
                attributes.push((name, value));
            }
        }
        Ok(())
    }

    // ── statements ──────────────────────────────────────────────────────────────────────────────

    pub(super) fn run(&mut self, body: &[Stmt], out: &mut Writer) -> Outcome<Flow> {
        self.nested(|machine| {
            for statement in body {
                machine.meter.work(1)?;
                let flow = machine.statement(statement, out).map_err(|fault| fault.at(statement.line))?;
                if flow != Flow::Next {
                    return Ok(flow);
                }
            }
            Ok(Flow::Next)
        })
    }

    fn statement(&mut self, statement: &Stmt, out: &mut Writer) -> Outcome<Flow> {
        match &statement.kind {
            StmtKind::Text(text) => out.text(text)?,
            StmtKind::Print(value) => {
                let value = self.evaluate(value)?;
                self.print(&value, out)?;
            }
            StmtKind::If(branches, otherwise) => {
                for (test, body) in branches {
                    if self.evaluate(test)?.is_true() {
                        return self.run(body, out);
                    }
                }
                return self.run(otherwise, out);
            }
            StmtKind::For(statement) => {
                let items = self.evaluate(&statement.items)?;
                self.run_loop(statement, &items, self.scope, 0, out)?;
            }
            StmtKind::Set(target, value) => {
                let value = self.evaluate(value)?;
                self.assign(target, value)?;
            }
            StmtKind::SetBlock(target, filters, body) => {
                let text = self.captured(body)?;
                let value = self.filtered(text, filters)?;
                self.assign(target, value)?;
            }
            StmtKind::Macro(body) => {
                let value = self.closure(body)?;
                self.set(body.name, value)?;
            }
            StmtKind::Call(call, body) => {
                let caller = self.closure(body)?;
                let value = self.call_with(call, caller)?;
                self.print(&value, out)?;
            }
            StmtKind::Filter(filters, body) => {
                let text = self.captured(body)?;
                let value = self.filtered(text, filters)?;
                self.print(&value, out)?;
            }
            StmtKind::With(values, body) => {
                let mut given = Vec::new();
                for (target, value) in values {
                    given.push((target, self.evaluate(value)?));
                }
                return self.inner(|machine| {
                    for (target, value) in given {
                        machine.assign(target, value)?;
                    }
                    machine.run(body, out)
                });
            }
            StmtKind::Scoped(body) => return self.inner(|machine| machine.run(body, out)),
            StmtKind::Break => return Ok(Flow::Break),
            StmtKind::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    /// What a body writes.
    fn captured(&mut self, body: &[Stmt]) -> Outcome<Value> {
        let mut out = Writer::new(&self.meter)?;
        self.inner(|machine| machine.run(body, &mut out))?;
        Ok(Value::Str(out.finish()))
    }

    fn filtered(&mut self, value: Value, filters: &[Post]) -> Outcome<Value> {
        filters.iter().try_fold(value, |value, filter| match filter {
            Post::Filter(name, args) => {
                let args = self.arguments(args)?;
                self.filter(*name, value, args)
            }
            _ => Ok(value),
        })
    }

    /// Runs a loop, also when a recursive one calls itself.
    pub(super) fn run_loop(
        &mut self,
        statement: &Rc<For>,
        items: &Value,
        parent: usize,
        depth: usize,
        out: &mut Writer,
    ) -> Outcome {
        let mut items = self.iterate(items)?;
        if let Some(test) = &statement.test {
            let mut wanted = Items::new(&self.meter)?;
            for item in &items.items {
                let test = self.scoped(parent, |machine| {
                    machine.assign(&statement.target, item.clone())?;
                    machine.evaluate(test)
                })?;
                if test.is_true() {
                    wanted.push(item.clone())?;
                }
            }
            items = wanted.rc(Kind::List)?;
        }
        if items.items.is_empty() {
            return self.scoped(parent, |machine| machine.run(&statement.otherwise, out)).map(|_| ());
        }
        self.charge.reserve(&mut self.loops, 1)?;
        let number = self.loops.len();
        self.loops.push(Loop {
            items: Some(Rc::clone(&items)),
            index: 0,
            depth,
            changed: None,
            recursive: statement.recursive.then(|| Rc::clone(statement)),
            scope: parent,
            kept: false,
        });
        let looped = self.known.looped;
        for (index, item) in items.items.iter().enumerate() {
            self.meter.work(1)?;
            if let Some(state) = self.loops.get_mut(number) {
                state.index = index;
            }
            let flow = self.scoped(parent, |machine| {
                machine.set(looped, Value::Loop(number))?;
                machine.assign(&statement.target, item.clone())?;
                machine.run(&statement.body, out)
            })?;
            if flow == Flow::Break {
                break;
            }
        }
        if self.loops.len() == number + 1 && self.loops.last().is_some_and(|state| !state.kept) {
            self.loops.pop();
        } else if let Some(state) = self.loops.get_mut(number) {
            // Whoever kept `loop` may still ask it for numbers.
            (state.items, state.changed) = (None, None);
        }
        Ok(())
    }

    // ── macros ──────────────────────────────────────────────────────────────────────────────────

    pub(super) fn call_macro(&mut self, closure: &Rc<Closure>, args: super::call::Arguments) -> Outcome<Value> {
        let body = &closure.body;
        let mut out = Writer::new(&self.meter)?;
        self.scoped(closure.scope, |machine| {
            let (positional, mut named) = (args.positional, args.named);
            let mut positional = positional.into_iter();
            let caller = named.iter().position(|(name, _)| *name == machine.known.caller);
            let caller = caller.map(|at| named.swap_remove(at).1);
            for (name, default) in &body.parameters {
                machine.meter.work(1 + named.len() / 8)?;
                let by_name = named.iter().position(|(other, _)| other == name);
                let value = match (positional.next(), by_name, default) {
                    (Some(_), Some(_), _) => {
                        return fault(format!("the argument `{}` is given twice", machine.names.name(*name)));
                    }
                    (Some(value), None, _) => value,
                    (None, Some(at), _) => named.swap_remove(at).1,
                    (None, None, Some(default)) => machine.evaluate(default)?,
                    (None, None, None) => Value::Undefined(*name),
                };
                machine.set(*name, value)?;
            }
            if let Some(caller) = caller {
                machine.set(machine.known.caller, caller)?;
            }
            let mut rest = Items::new(&machine.meter)?;
            positional.try_for_each(|value| rest.push(value))?;
            if rest.len() > 0 && !body.varargs {
                let (name, most) = (machine.names.name(body.name), body.parameters.len());
                return fault(format!("macro `{name}` takes at most {most} arguments"));
            }
            if body.varargs {
                machine.set(machine.known.varargs, rest.finish(Kind::Tuple)?)?;
            }
            if let Some((name, _)) = named.first().filter(|_| !body.kwargs) {
                let (name, unknown) = (machine.names.name(body.name), machine.names.name(*name));
                return fault(format!("macro `{name}` has no argument `{unknown}`"));
            }
            if body.kwargs {
                let mut kwargs = Dict::new(&machine.meter)?;
                for (name, value) in named {
                    kwargs.insert(machine.string(machine.names.name(name))?, value)?;
                }
                machine.set(machine.known.kwargs, kwargs.finish()?)?;
            }
            machine.run(&body.body, &mut out)
        })?;
        Ok(Value::Str(out.finish()))
    }
}
