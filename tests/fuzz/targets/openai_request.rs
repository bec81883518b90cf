//! A request's body, read as each of OpenAI's requests. Whatever it is, it is refused with status 400 or 413 and a message of at most a screen, or
//! what it asks for has passed the engine's own checks, and what was passed over can be named in a header.

use b158::Error;
use b158::openai::{ChatRequest, CompletionRequest, EmbeddingRequest, Read, Refusal};
use b158::session::GenerateOptions;

pub fn run(input: &[u8]) {
    if let Some(chat) = judge(ChatRequest::read(input)) {
        sound(&chat.options);
        assert!(!chat.messages.is_empty(), "a talk without a message");
    }
    if let Some(completion) = judge(CompletionRequest::read(input)) {
        sound(&completion.options);
        assert!(!completion.prompts.is_empty(), "nothing to go on");
    }
    if let Some(embedding) = judge(EmbeddingRequest::read(input)) {
        assert!(!embedding.inputs.is_empty(), "nothing to embed");
    }
}

fn judge<T>(read: Result<Read<T>, Refusal>) -> Option<T> {
    match read {
        Ok(Read { request, ignored }) => {
            assert!(ignored.len() <= 33, "{} names", ignored.len());
            for name in ignored {
                let fits = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b',';
                assert!(name.len() <= 2000 && name.bytes().all(fits), "no header may say {name:?}");
            }
            Some(request)
        }
        Err(refusal) => {
            assert!(matches!(refusal.status, 400 | 413), "status {}", refusal.status);
            let said = &refusal.message;
            assert!((1..=4000).contains(&said.len()), "a message of {} bytes", said.len());
            assert!(!said.contains(char::is_control), "{said:?} moves the cursor");
            assert!(serde_json::to_value(&refusal).expect("an error can be written")["error"]["message"].is_string());
            None
        }
    }
}

fn sound(options: &GenerateOptions) {
    match options.sampler.validate(u32::MAX) {
        Ok(()) | Err(Error::BadToken { .. }) => {}
        Err(error) => panic!("what has been read has no sense: {error}"),
    }
    assert!(options.stop.iter().all(|text| !text.is_empty()), "an empty stop string");
}

pub fn seeds() -> Vec<Vec<u8>> {
    let all = include_str!("../../openai/requests.json");
    let cases: Vec<serde_json::Value> = serde_json::from_str(all).expect("the cases are JSON");
    let seed = |case: &serde_json::Value| {
        let mut request = case["request"].clone();
        for (name, value) in [("input", "hi".into()), ("prompt", "hi".into()), ("messages", talk())] {
            request.as_object_mut()?.entry(name).or_insert(value);
        }
        Some(request.to_string().into_bytes())
    };
    cases.iter().filter_map(seed).collect()
}

fn talk() -> serde_json::Value {
    serde_json::json!([{ "role": "user", "content": "hi" }])
}
