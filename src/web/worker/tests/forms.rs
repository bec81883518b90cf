//! Answers of a form, with a module that a few lines of JavaScript play.

use super::*;
use js_sys::Function;

/// Three tokens of the id that the text names, each of them certain to be allowed. `bad` is refused, `trap` and `notes` trap, and 300
/// when it is given back; `begun` is remembered.
const MODULE: &str = r#"
    const log = [];
    globalThis.formsLog = log;
    globalThis.formsFail ??= 0;
    return (onProgress) => {
        onProgress(10, 20);
        if (globalThis.formsHeld) return new Promise((_, reject) => Object.assign(globalThis.formsHeld, { reject, onProgress }));
        if (globalThis.formsFail-- > 0) return Promise.reject(Object.assign(new Error("not there"), { code: "network" }));
        return Promise.resolve({
            renew: () => log.push("renew"),
            vocabulary: (bytes, lengths, control, names, ends) => {
                log.push(["vocabulary", bytes.length === lengths.reduce((a, b) => a + b, 0), lengths.length, names.length === control.length, ends.length]);
                return {
                    free: () => log.push("free vocabulary"),
                    answer: (kind, text) => {
                        if (text === "bad") throw "no form";
                        const id = Number(text);
                        let left = 3;
                        return {
                            begin: (bytes) => {
                                const begun = new TextDecoder().decode(bytes.slice());
                                log.push(["begin", begun]);
                                if (begun === "no") throw "at byte 0";
                            },
                            notes: () => { if (text === "notes") throw new Error("no notes"); return ["of " + kind]; },
                            free: () => { log.push("free"); if (text === "300") throw new Error("not to be freed"); },
                            next: (taken, allowed) => {
                                if (text === "trap") throw new WebAssembly.RuntimeError("unreachable");
                                if (taken.some((one) => one !== id)) throw "it was " + taken.join();
                                left -= taken.length;
                                if (left === 0) return null;
                                allowed.fill(0);
                                // Two of them, or it would be certain.
                                for (const one of [id, id + 1]) allowed[one >> 5] |= 1 << (one & 31);
                            },
                        };
                    },
                };
            },
        });
    };
"#;

fn module() -> Function {
    Function::new_no_args(MODULE).call0(&JsValue::UNDEFINED).unwrap().unchecked_into()
}

fn log() -> String {
    text(&field(&js_sys::global(), "formsLog"))
}

/// A greedy answer of token 265 with a bias against the next, so that the same one is taken each time.
fn generate(id: u32, pattern: &str, more: &str) -> String {
    format!(
        r#"{{"type":"generate","body":{{"id":{id},"session":0,"request":{{"prompt":"Once","temperature":0,"maxTokens":9,
            "logitBias":{{"266":-100}},"responseFormat":{{"type":"regex","pattern":"{pattern}"}}{more}}}}}}}"#
    )
}

async fn failed(page: &mut Page) -> (String, String) {
    loop {
        let message = page.heard.next().await.unwrap();
        if field(&message, "type").as_string().unwrap() == "failed" {
            let error = field(&field(&message, "body"), "error");
            return ["code", "message"].map(|name| field(&error, name).as_string().unwrap()).into();
        }
    }
}

async fn loaded(forms: Option<Function>) -> Page {
    let mut page = Page::with_forms(forms);
    page.load_blob(MODEL);
    page.hear("loaded").await;
    page
}

#[wasm_bindgen_test]
async fn an_answer_keeps_to_its_form_and_what_goes_wrong_is_of_that_answer_alone() {
    let mut page = loaded(Some(module())).await;
    page.send(&generate(1, "265", r#","begun":"{""#));
    let (done, before) = page.hear("done").await;
    assert_eq!(field(&field(&done, "usage"), "completionTokens").as_f64(), Some(3.0), "{}", text(&done));
    assert_eq!(field(&done, "finishReason").as_string().unwrap(), "stop");
    let constraint = field(&done, "constraint");
    assert_eq!(text(&field(&constraint, "notes")), r#"["of regex"]"#);
    assert_eq!(field(&constraint, "masks").as_f64(), Some(3.0), "{}", text(&constraint));
    assert_eq!(before.iter().filter(|kind| *kind == "preparing").count(), 3, "{before:?}");
    assert_eq!(log(), r#"[["vocabulary",true,1024,true,2],["begin","{"],"free"]"#);

    page.send(&generate(2, "bad", ""));
    let (code, message) = failed(&mut page).await;
    assert_eq!((&code[..], message.contains("no form")), ("invalid-argument", true), "{message}");
    page.send(&generate(6, "265", r#","begun":"no""#));
    let (_, message) = failed(&mut page).await;
    assert_eq!(message, "the text that the answer has begun with can't be used: at byte 0");
    page.send(&generate(3, "trap", ""));
    let (code, message) = failed(&mut page).await;
    assert_eq!((&code[..], message.contains("unreachable")), ("constraint", true), "{message}");
    assert!(!log().contains("renew"), "{}", log());
    page.send(&generate(4, "265", ""));
    page.hear("done").await;
    // What trapped was not touched any more, and the tokens were told anew.
    let ends = r#",["begin",""],"renew",["vocabulary",true,1024,true,2],["begin",""],"free"]"#;
    assert!(log().ends_with(ends), "{}", log());

    page.send(
        r#"{"type":"generate","body":{"id":5,"session":0,"request":{"prompt":"Once","temperature":0,"maxTokens":9}}}"#,
    );
    let (done, _) = page.hear("done").await;
    assert!(field(&done, "constraint").is_undefined());
}

#[wasm_bindgen_test]
async fn a_trap_outside_of_an_answer_harms_nobody_else() {
    let mut page = loaded(Some(module())).await;
    page.send(&generate(1, "notes", ""));
    let (code, message) = failed(&mut page).await;
    assert_eq!((&code[..], message.contains("no notes")), ("constraint", true), "{message}");
    page.send(&generate(2, "300", ""));
    page.hear("done").await;
    page.send(&generate(3, "265", ""));
    page.hear("done").await;
    assert_eq!(log().matches("renew").count(), 2, "{}", log());
}

#[wasm_bindgen_test]
async fn a_module_that_can_not_be_had_is_asked_for_again() {
    let fails = |times: u32| Reflect::set(&js_sys::global(), &"formsFail".into(), &times.into()).unwrap();
    fails(1);
    let mut page = loaded(Some(module())).await;
    page.send(&generate(1, "265", ""));
    assert_eq!(failed(&mut page).await, ("network".to_owned(), "not there".to_owned()));
    page.send(&generate(2, "265", ""));
    page.hear("done").await;
    fails(0);

    let mut page = loaded(None).await;
    page.send(&generate(1, "265", ""));
    let (_, message) = failed(&mut page).await;
    assert!(message.contains("older version"), "{message}");
}

#[wasm_bindgen_test]
async fn who_is_cancelled_while_it_is_fetched_leaves_nothing_to_those_after() {
    let held = js_sys::Object::new();
    let hold = |held: &JsValue| Reflect::set(&js_sys::global(), &"formsHeld".into(), held).unwrap();
    hold(&held);
    let mut page = loaded(Some(module())).await;
    page.send(&generate(1, "265", ""));
    page.hear("preparing").await;
    hold(&JsValue::UNDEFINED);
    page.send(r#"{"type":"cancel","body":{"id":1}}"#);
    let (done, _) = page.hear("done").await;
    assert_eq!(field(&done, "finishReason").as_string().unwrap(), "cancelled");

    // The fetch goes on, and nobody hears of it.
    let plain = |id: u32| {
        format!(
            r#"{{"type":"generate","body":{{"id":{id},"session":0,"request":{{"prompt":"Once","temperature":0,"maxTokens":2}}}}}}"#
        )
    };
    field(&held, "onProgress").unchecked_into::<Function>().call2(&JsValue::UNDEFINED, &15.into(), &20.into()).unwrap();
    page.send(&plain(2));
    let (_, before) = page.hear("done").await;
    assert!(!before.contains(&"preparing".to_owned()), "{before:?}");

    // Nor does its failure come to one that asks later.
    field(&held, "reject").unchecked_into::<Function>().call1(&JsValue::UNDEFINED, &"too late".into()).unwrap();
    page.send(&plain(3));
    page.hear("done").await;
    page.send(&generate(4, "265", ""));
    page.hear("done").await;
}

#[wasm_bindgen_test]
async fn a_load_prepares_it_or_says_why_not() {
    for (forms, wanted) in [(Some(module()), false), (None, true)] {
        let mut page = Page::with_forms(forms);
        let part = JSON::parse(r#"{"type":"blob","body":{}}"#).unwrap();
        Reflect::set(&field(&part, "body"), &"blob".into(), &blob(MODEL)).unwrap();
        let message = load_message(&Array::of1(&part));
        let options = field(&field(&message, "body"), "options");
        Reflect::set(&options, &"prepareFormats".into(), &true.into()).unwrap();
        page.port.post_message(&message).unwrap();
        let (info, _) = page.hear("loaded").await;
        let notes = text(&field(&info, "notes"));
        assert_eq!(notes.contains("answers of a form are not prepared"), wanted, "{notes}");
        if !wanted {
            assert!(log().contains("vocabulary"), "{}", log());
            page.send(&generate(1, "265", ""));
            let (_, before) = page.hear("done").await;
            assert!(!before.contains(&"preparing".to_owned()), "{before:?}");
        }
    }
}
