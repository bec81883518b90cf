//! The face of the module that a browser fetches: [`Vocabulary`](crate::Vocabulary) and [`Answer`](crate::Answer) for JavaScript.
//!
//! What the engine's worker calls, synchronously, once a token. An error is thrown as a string: it is of this request alone. Anything
//! else that is thrown, a trap or an overflow of the stack, leaves memory that nobody may trust: the caller makes a new instance
//! (`__wbg_reset_state`, which the tool writes).

use crate::{Kind, Next};
use js_sys::{Uint8Array, Uint32Array};
use wasm_bindgen::prelude::*;

/// A panic becomes an exception that says what happened, where a trap would only say `unreachable`.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| wasm_bindgen::throw_val(js_sys::Error::new(&panic.to_string()).into())));
}

/// The tokens of a model.
#[wasm_bindgen]
pub struct Vocabulary(crate::Vocabulary);

#[wasm_bindgen]
impl Vocabulary {
    /// `bytes` has those of all tokens one after the other, and `lengths` how many each has: none for those that text never shows. Of
    /// these `control` has the ids whose names, `names`, a grammar may ask for. `ends` has the ids that end an answer.
    #[wasm_bindgen(constructor)]
    pub fn new(
        bytes: &[u8],
        lengths: &[u32],
        control: &[u32],
        names: Vec<String>,
        ends: &[u32],
    ) -> Result<Self, String> {
        let mut rest = bytes;
        let mut tokens = Vec::new();
        tokens.try_reserve_exact(lengths.len()).map_err(|_| "there is no memory for the vocabulary")?;
        for &length in lengths {
            let (token, after) = rest.split_at_checked(length as usize).ok_or("the lengths are more than the bytes")?;
            tokens.push(token.to_vec());
            rest = after;
        }
        let control: Vec<_> = control.iter().copied().zip(names).collect();
        let vocabulary = crate::Vocabulary::new(&tokens, &control, ends).map_err(|why| why.to_string())?;
        Ok(Vocabulary(vocabulary))
    }

    /// Begins an answer of the form that `text` describes. `kind` is `json_object`, `json_schema`, `regex`, `lark` or `parts`.
    pub fn answer(&self, kind: &str, text: &str) -> Result<Answer, String> {
        let kind = Kind::named(kind).ok_or_else(|| format!("there is no kind {kind:?} of forms"))?;
        let answer = self.0.answer(kind, text).map_err(|why| why.to_string())?;
        Ok(Answer { answer, allowed: Vec::new() })
    }
}

/// An answer under way.
#[wasm_bindgen]
pub struct Answer {
    answer: crate::Answer,
    /// As many words as the caller has.
    allowed: Vec<u32>,
}

#[wasm_bindgen]
impl Answer {
    /// Begins with `text`, which is there already; before the first `next`.
    pub fn begin(&mut self, text: &[u8]) -> Result<(), String> {
        self.answer.begin(text).map_err(|why| why.to_string())
    }

    /// What of the text was passed over.
    pub fn notes(&self) -> Vec<String> {
        self.answer.notes().to_vec()
    }

    /// Takes the tokens that have come. `undefined`: those that may follow have a bit each in `allowed`, which has 32 to a word. Bytes: they
    /// are certain to follow. `null`: the answer is whole.
    pub fn next(&mut self, taken: &[u32], allowed: &Uint32Array) -> Result<JsValue, String> {
        let words = allowed.length() as usize;
        if self.allowed.len() != words {
            self.allowed.try_reserve_exact(words).map_err(|_| "there is no memory for a mask")?;
            self.allowed.resize(words, 0);
        }
        Ok(match self.answer.next(taken, &mut self.allowed).map_err(|why| why.to_string())? {
            Next::Choice => {
                allowed.copy_from(&self.allowed);
                JsValue::UNDEFINED
            }
            Next::Certain(bytes) => Uint8Array::from(&bytes[..]).into(),
            Next::Whole => JsValue::NULL,
        })
    }
}
