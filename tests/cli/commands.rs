//! What each command does.

use super::{GOLDEN_A, MODEL, PROMPT, STORY, b158, common, out, refusal, temporary};
use b158::kernels;
use b158::model::KvType;

#[test]
fn tells_the_same_story_on_every_backend_and_thread_count() {
    let run =
        |extra: &[&str]| out(&[&["run", "-m", MODEL, "-p", PROMPT, "--temp", "0", "-n", "25"], extra].concat(), "");
    let story = run(&[]);
    assert!(STORY.starts_with(story.trim_end()) && story.len() > 40, "{story}");
    for backend in kernels::available() {
        assert_eq!(run(&["--backend", backend.name(), "-t", "1"]), story, "{}", backend.name());
        assert_eq!(run(&["--backend", backend.name(), "-t", "3", "-b", "5"]), story, "{}", backend.name());
    }
    assert_eq!(run(&["--echo"]), format!("{PROMPT}{story}"));
}

#[test]
fn a_seed_fixes_the_draw() {
    let run =
        |seed: &str| out(&["run", "-q", "-m", MODEL, "-p", PROMPT, "-n", "30", "--temp", "1", "--seed", seed], "");
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8"));
}

#[test]
fn standard_output_carries_the_result_alone() {
    let args = ["run", "-m", MODEL, "-p", PROMPT, "-n", "8", "--temp", "0"];
    let output = b158(&args, "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.len() > 5 && text.ends_with('\n') && STORY.starts_with(text.trim_end()), "{text}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("backend") && said.contains("tok/s"), "{said}");
    assert!(b158(&[&args[..], &["-q"]].concat(), "").stderr.is_empty());
}

#[test]
fn ids_are_those_of_the_references() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../golden/A.json")).unwrap();
    let list =
        |v: &serde_json::Value| v.as_array().unwrap().iter().map(|id| id.to_string()).collect::<Vec<_>>().join(" ");
    let entry = &golden["greedy"][0];
    let args = ["run", "-m", GOLDEN_A, "--prompt-ids", &list(&entry["prompt"]), "-n", "32", "--temp", "0"];
    let ids = out(&[&args[..], &["--kv-cache", "f32", "--ids", "--ignore-eos"]].concat(), "");
    assert_eq!(ids.trim_end(), list(&entry["ids"]));
}

#[test]
fn a_template_says_what_it_makes_of_messages() {
    let own = "tokenizer.chat_template=str:{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}{{ 'think' if deep else 'fast' }}";
    let messages = r#"[{"role": "user", "content": "Who is \u00e9? <|eot_id|>"}]"#;
    let common = ["template", "-q", "-m", MODEL, "--override-kv", own];
    let with = |more: &[&str], input: &str| out(&[&common[..], more].concat(), input);
    assert_eq!(with(&[], messages), "<|user|>Who is é? <|eot_id|>\nfast");
    let deep = ["--chat-template-kwargs", r#"{"deep": true}"#, "--messages", messages];
    assert_eq!(with(&deep, ""), "<|user|>Who is é? <|eot_id|>\nthink");
    // Typed, it is no end of turn (1018).
    assert!(!with(&["--ids"], messages).split_whitespace().any(|id| id == "1018"));
    let refused = |more: &[&str]| refusal(&[&common[..], more].concat());
    assert!(refused(&["--messages", "{}"]).contains("messages"));
    assert!(refused(&["--messages", "[]", "--chat-template-kwargs", "[1]"]).contains("object"));
}

#[test]
fn tokenizes_as_bitnet_cpp() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../golden/A.json")).unwrap();
    let vectors = golden["tokenizer"]["vectors"].as_array().unwrap();
    for vector in vectors.iter().step_by(5) {
        let ids = vector["ids"].as_array().unwrap().iter().map(|id| id.to_string()).collect::<Vec<_>>().join(" ");
        let mut args = vec!["tokenize", "-m", GOLDEN_A, "--override-kv", "tokenizer.ggml.pre=str:default"];
        args.extend(vector["parse_special"].as_bool().unwrap().then_some("--parse-special"));
        assert_eq!(out(&args, vector["text"].as_str().unwrap()).trim_end(), ids, "{}", vector["text"]);
    }
}

#[test]
fn logits_are_those_of_the_library() {
    let path = temporary("logits.f32");
    let ids = [504u32, 353, 59, 4, 197, 120, 367];
    let text = ids.map(|id| id.to_string()).join(" ");
    for (name, kind) in [("f32", KvType::F32), ("f16", KvType::F16)] {
        out(&["logits", "-m", GOLDEN_A, "--ids", &text, "--kv-cache", name, "-o", path.to_str().unwrap()], "");
        let written = std::fs::read(&path).unwrap();
        let written: Vec<f32> = written.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let loaded = common::load(common::A, kernels::detect(), 1, usize::MAX);
        let expected = common::logits(&loaded, &ids, kind, 7);
        assert_eq!(common::hash(&written), common::hash(&expected), "{name}");
    }
}

#[test]
fn inspect_shows_what_the_file_holds() {
    let text = out(&["inspect", MODEL], "");
    for part in ["general.architecture = \"bitnet-b1.58\"", "I2_S", "token_embd.weight", "GGUF v3"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&out(&["inspect", "--json", MODEL], "")).unwrap();
    assert_eq!(json["metadata"]["bitnet-b1.58.block_count"], 8);
    assert_eq!(json["metadata"]["tokenizer.ggml.tokens"].as_array().unwrap().len(), 1024);
    assert_eq!(json["size"].as_u64().unwrap(), std::fs::metadata(MODEL).unwrap().len());
}

#[test]
fn every_type_and_architecture_loads_and_runs() {
    let path = temporary("synthetic.gguf");
    let file = path.to_str().unwrap();
    let small = ["--layers", "1", "--vocabulary", "300", "--feed-forward", "512"];
    let mut cases: Vec<Vec<&str>> = Vec::new();
    for kind in [
        "I2_S", "TQ1_0", "TQ2_0", "F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0", "Q1_0", "Q2_0",
        "PQ2_0", "PTQ1_0",
    ] {
        cases.push(vec!["--type", kind]);
    }
    for kind in ["F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0", "Q1_0", "Q2_0"] {
        cases.push(vec!["--embedding-type", kind]);
    }
    for arch in ["bitnet", "bitnet-25", "llama", "qwen3", "minicpm"] {
        cases.push(vec!["--arch", arch]);
    }
    for preset in ["tiny-llama", "tiny-qwen3", "tiny-minicpm", "tiny-embedding"] {
        cases.push(vec!["--preset", preset]);
    }
    cases.push(vec!["--arch", "qwen3", "--head-dim", "128", "--output-type", "Q6_K"]);
    // Not a multiple of 128: right for float products.
    cases.push(vec!["--type", "F16", "--embedding", "160", "--context", "64"]);
    for case in cases {
        let preset = if case[0] == "--preset" { &[][..] } else { &["--preset", "tiny"] };
        out(&[&["synth", "-o", file], preset, &small[..], &case[..]].concat(), "");
        let run = |extra: &[&str]| {
            let args = ["run", "-q", "-m", file, "-p", "the cat", "-n", "8", "--temp", "0", "--ids", "--ignore-eos"];
            out(&[&args[..], extra].concat(), "")
        };
        let ids = run(&[]);
        assert_eq!(ids.split_whitespace().count(), 8, "{case:?}: {ids}");
        assert_eq!(run(&["--backend", "scalar"]), ids, "{case:?}");
    }
}

#[test]
fn a_model_in_several_files_says_what_it_says_in_one() {
    let (whole, prefix) = (temporary("whole.gguf"), temporary("split"));
    let (whole, first) = (whole.to_str().unwrap(), format!("{}-00001-of-00005.gguf", prefix.display()));
    let prefix = format!("{}.gguf", prefix.display());
    out(&["synth", "--preset", "tiny", "-o", whole], "");
    out(&["synth", "--preset", "tiny", "-o", &prefix, "--split-max-tensors", "5"], "");
    let say = |file: &str| out(&["run", "-m", file, "-p", "a b", "-n", "12", "--ids"], "");
    assert_eq!(say(&first), say(whole));
    let tensors = |file: &str| -> Vec<serde_json::Value> {
        let all: serde_json::Value = serde_json::from_str(&out(&["inspect", file, "--json"], "")).unwrap();
        all["tensors"].as_array().unwrap().iter().map(|t| t["name"].clone()).collect()
    };
    assert_eq!(tensors(&first), tensors(whole));
    assert!(out(&["inspect", &first], "").contains("bytes in 5 files"));
    let third = first.replace("00001-of", "00003-of");
    let third = third.as_str();
    assert!(refusal(&["run", "-m", third, "-p", "a"]).contains("this file is part 3 of 5"), "alone");
    std::fs::remove_file(third).unwrap();
    assert!(refusal(&["run", "-m", &first, "-p", "a"]).contains("00003-of-00005.gguf"), "missing");
}

#[test]
fn synthetic_models_are_always_the_same_bytes() {
    let (a, b) = (temporary("synth-a.gguf"), temporary("synth-b.gguf"));
    for (path, seed) in [(&a, "1"), (&b, "1")] {
        out(&["synth", "--preset", "tiny", "--seed", seed, "-o", path.to_str().unwrap()], "");
    }
    assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    out(&["synth", "--preset", "tiny", "--seed", "2", "-o", b.to_str().unwrap()], "");
    assert_ne!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
}

#[test]
fn refusals_say_what_and_where() {
    let garbage = temporary("garbage.gguf");
    std::fs::write(&garbage, "<!DOCTYPE html><title>404</title>").unwrap();
    assert!(refusal(&["run", "-m", garbage.to_str().unwrap(), "-p", "x"]).contains("not a GGUF"));
    assert!(refusal(&["run", "-m", "no-such-file.gguf", "-p", "x"]).contains("no-such-file.gguf"));
    let half = temporary("half.gguf");
    let whole = std::fs::read(MODEL).unwrap();
    std::fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    let said = refusal(&["run", "-m", half.to_str().unwrap(), "-p", "x"]);
    assert!(said.contains("cut short"), "{said}");
    let said = refusal(&["run", "-m", MODEL, "-p", "x", "--backend", "abacus"]);
    assert!(said.contains("abacus") && said.contains("scalar"), "{said}");
    assert!(refusal(&["run", "-m", MODEL, "-p", "x", "--override-kv", "nonsense"]).contains("key=type:value"));
    assert!(refusal(&["run", "-m", MODEL, "-p", &"word ".repeat(2000)]).contains("context"));
    let unused = temporary("unused.f32");
    let args = ["logits", "-m", MODEL, "--ids", "1 99999", "-o", unused.to_str().unwrap()];
    assert!(refusal(&args).contains("99999"));
    assert!(!unused.exists(), "a refusal leaves no file behind");
}

#[test]
fn perplexity_is_as_llama_cpp_computes_it() {
    let path = temporary("scored.txt");
    let text: String = common::TOLD.iter().map(|(prompt, told)| format!("{prompt}{told}\n\n")).collect();
    std::fs::write(&path, text.repeat(2)).unwrap();
    let args = ["perplexity", "-m", MODEL, "-f", path.to_str().unwrap(), "-c", "128", "--kv-cache", "f32", "--json"];
    let json: serde_json::Value = serde_json::from_str(&out(&args, "")).unwrap();

    // The same by the library, window by window.
    let loaded = common::load(common::STORIES, kernels::detect(), 1, usize::MAX);
    let mut ids = loaded.tokenizer.encode(&text.repeat(2), b158::tokenizer::Special::TEXT).unwrap();
    let mut nats = Vec::new();
    for window in ids.chunks_exact_mut(128) {
        window[0] = loaded.tokenizer.bos().unwrap();
        let logits = common::logits(&loaded, window, KvType::F32, 128);
        for (position, row) in logits.chunks_exact(1024).enumerate().take(127).skip(64) {
            let total: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
            nats.push(total.ln() - f64::from(row[window[position + 1] as usize]));
        }
    }
    let expected = (nats.iter().sum::<f64>() / nats.len() as f64).exp();
    assert_eq!(json["scoredTokens"], nats.len());
    let found = json["perplexity"].as_f64().unwrap();
    assert!((found / expected - 1.0).abs() < 1e-6, "{found} is not {expected}");
    assert!(json["error"].as_f64().unwrap() > 0.0);

    std::fs::write(&path, "Too short.").unwrap();
    assert!(refusal(&args).contains("give a longer text"));
}

#[test]
fn verify_tells_text_from_word_salad_and_where_runs_part() {
    let path = |name: &str| temporary(name).to_str().unwrap().to_owned();
    let (prompts, folder, reference, random) =
        (path("prompts.txt"), path("verify"), path("reference.json"), path("random.gguf"));
    std::fs::write(&prompts, common::TOLD.map(|(prompt, _)| prompt).join("\n")).unwrap();
    let args = ["verify", "-m", MODEL, "--prompts", &prompts, "--out", &folder, "-n", "60"];
    let said = out(&args, "");
    assert_eq!(said.lines().count(), 5, "{said}");
    let read = |name: &str| std::fs::read_to_string(temporary("verify").join(name)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&read("metrics.json")).unwrap();
    assert_eq!(json["prompts"][0]["text"], STORY);
    assert_eq!(json["model"]["sha256"].as_str().unwrap().len(), 64);
    assert!(read("report.html").contains("<circle") && read("results.txt").contains(STORY));

    // The same run is the same; another activation, by an override, is not.
    std::fs::write(&reference, read("metrics.json")).unwrap();
    let args = [&args[..], &["--reference", &reference]].concat();
    assert_eq!(out(&args, "").matches("the same ids as the reference").count(), 5);
    let changed = b158(&[&args[..], &["--override-kv", "bitnet-b1.58.hidden_activation=str:silu"]].concat(), "");
    let said = String::from_utf8_lossy(&changed.stdout);
    assert!(said.contains("differs from the reference at token"), "{said}");

    out(&["synth", "--preset", "tiny", "-o", &random], "");
    let output = b158(&["verify", "-m", &random, "--out", &folder, "-n", "60"], "");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("answers are no text"));
}

#[test]
fn chat_answers_line_by_line() {
    let said = out(&["chat", "-q", "-m", MODEL, "-n", "12", "--temp", "0"], "Tell me a story.\n");
    assert!(said.trim().len() > 5, "{said}");
}

#[test]
fn bench_prints_json() {
    let text = out(&["bench", "-m", MODEL, "-p", "16", "-n", "4", "-t", "1,2", "-r", "1", "--json"], "");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = json["results"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let number = |value: &serde_json::Value, key: &str| value[key].as_f64().unwrap();
    for row in rows {
        for key in ["generationTokensPerSecond", "promptTokensPerSecond", "readBytesPerSecond", "dotMacsPerSecond"] {
            assert!(number(row, key) > 0.0, "{key} in {text}");
        }
        // The shares are what these figures say.
        let bytes = number(row, "generationTokensPerSecond") * number(row, "bytesPerGeneratedToken");
        let share = bytes / number(row, "readBytesPerSecond");
        assert!((share / number(row, "generationOfReadLimit") - 1.0).abs() < 1e-6, "{text}");
        let macs = number(row, "promptTokensPerSecond") * number(&json, "macsPerPromptToken");
        let share = macs / number(row, "dotMacsPerSecond");
        assert!((share / number(row, "promptOfDotLimit") - 1.0).abs() < 1e-6, "{text}");
        assert!(number(row, "readBytes") <= number(&json, "weightBytes"), "{text}");
        assert!(number(row, "bytesPerGeneratedToken") > number(&json, "weightBytes"), "{text}");
    }
}
