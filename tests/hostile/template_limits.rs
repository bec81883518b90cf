//! Templates that want to fill the memory, never to end, or to run out of stack: each ends with an error, within 16 MB
//! and the stack of a browser's worker.

use crate::file::File;
use allocation_counter::measure;
use b158::Error;
use b158::chat::{Message, Source, Template};
use b158::gguf::{Decoder, Event, Limits, Metadata, Value};
use b158::tokenizer::Tokenizer;

/// The shadow stack of the wasm builds.
const STACK: usize = 1 << 20;
const MEMORY: u64 = 16 << 20;

fn metadata() -> Metadata {
    let (mut decoder, bytes) = (Decoder::new(Limits::default()), File::byte_level().bytes());
    let mut at = 0;
    loop {
        let (used, event) = decoder.push(&bytes[at..]).unwrap();
        at += used;
        if event == Event::Metadata {
            return decoder.metadata().clone();
        }
    }
}

fn with_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).unwrap();
        thread.join().unwrap()
    })
}

fn template(text: &str) -> Template {
    let mut metadata = metadata();
    metadata.insert("tokenizer.chat_template", Value::String(text.to_owned()));
    let tokenizer = Tokenizer::from_metadata(&metadata).unwrap();
    Template::from_metadata(&metadata, &tokenizer)
}

/// Behaves until a message says `go`, then does that.
fn sleeper(attack: &str) -> String {
    format!("{{% if messages[0].content == 'go' %}}{attack}{{% endif %}}{{{{ messages[0].content }}}}")
}

#[test]
fn templates_that_run_away_end_with_an_error() {
    let doubled = "{% set a = 'x' %}".to_owned() + &"{% set a = a ~ a %}".repeat(60) + "{{ a }}";
    let joined = "{% set a = 'xy' %}".to_owned() + &"{% set a = a | join(a) %}".repeat(12) + "{{ a }}";
    let listed = "{% set a = [1] %}".to_owned() + &"{% set a = a + a %}".repeat(60) + "{{ a | length }}";
    let shared = "{% set a = [1] %}".to_owned() + &"{% set a = [a, a] %}".repeat(60);
    let (printed, compared) = (
        format!("{shared}{{{{ a }}}}"),
        format!("{shared}{{% set b = [1] %}}{}{{{{ a == b }}}}", "{% set b = [b, b] %}".repeat(60)),
    );
    let written = format!("{shared}{{{{ a | tojson }}}}");
    let deep = "{% set ns = namespace(a=[]) %}{% for i in range(100) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a }}";
    let long = "{% set ns = namespace(a='') %}{% for i in range(100000) %}{% set ns.a = ns.a ~ i ~ 'some words' %}{% endfor %}";
    let sums =
        format!("{{{{ {}'a' }}}}", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' + ".repeat(4000));
    let (memory, steps, either) = ("bytes of memory", "steps", "more than");
    for (name, attack, expected) in [
        ("doubling", &*doubled, memory),
        ("joining by itself", &joined, either),
        ("doubling a list", &listed, memory),
        ("printing what is shared", &printed, either),
        ("comparing what is shared", &compared, steps),
        ("JSON of what is shared", &written, either),
        ("lists in lists", deep, "64 deep"),
        ("growing in a loop", long, either),
        ("a long sum of strings", &sums, either),
        ("a string times a billion", "{{ 'x' * 10**9 }}", either),
        ("nothing times a billion", "{{ '' * 10**9 }}{{ [] * 10**9 }}{{ 'x' * 10**9 }}", either),
        ("a list times a billion", "{{ [1] * 10**9 }}", either),
        ("times the largest number", "{{ 'xyz' * 9223372036854775807 }}", either),
        ("a long range", "{{ range(10**9) }}", "100000"),
        ("the longest range", "{{ range(-9223372036854775807, 9223372036854775807) }}", "100000"),
        ("ranges in ranges", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", either),
        ("an idle loop", "{% for a in range(999) %}{% for b in range(999) %}{{ '' }}{% endfor %}{% endfor %}", steps),
        ("replacing nothing", "{% set a = 'x' * 100000 %}{{ a | replace('', a) }}", either),
        ("replacing everything", "{% set a = 'x' * 100000 %}{{ a.replace('x', a) }}", either),
        ("a wide join", "{% set a = 'x' * 100000 %}{{ a | list | join(a) }}", either),
        ("an indent of a billion", "{{ 'a\nb' | indent(10**9) }}", either),
        ("an indent of many lines", "{{ ('a\n' * 10000) | indent(10000) }}", either),
        ("JSON with an indent of a billion", "{{ [1] | tojson(indent=10**9) }}", either),
        (
            "JSON with wide separators",
            "{% set a = 'x' * 100000 %}{{ range(1000) | list | tojson(separators=(a, a)) }}",
            either,
        ),
        ("a width of a billion", "{{ '%1000000000d' % 1 }}", either),
        ("a width from outside", "{{ '%*d' % (10**9, 1) }}", either),
        ("zeros", "{{ '%01000000000d' % 1 }}", either),
        ("digits", "{{ '%.1000000000f' % 1.5 }}{{ 'x' * 10**9 }}", either),
        ("a width of format", "{{ '{:>1000000000}'.format('a') }}", either),
        ("a width beyond numbers", "{{ '{:>99999999999999999999999}'.format('a') }}", either),
        ("center", "{{ 'a'.center(10**9) }}", either),
        ("ljust", "{{ 'a'.ljust(9223372036854775807, 'é') }}", either),
        ("zfill", "{{ '-1'.zfill(10**9) }}", either),
        ("a filter's center", "{{ 'a' | center(10**9) }}", either),
        ("filling a batch", "{{ [1] | batch(10**9, 'x') | list }}", either),
        ("a billion slices", "{{ [1] | slice(10**9) | list }}", either),
        ("sorting", "{% for i in range(100) %}{% set x = range(100000) | sort(reverse=true) %}{% endfor %}", either),
        ("unique", "{{ range(100000) | unique | list | length }}", either),
        ("looking in a list", "{% set a = range(100000) %}{% for i in a %}{{ '' if -1 in a }}{% endfor %}", either),
        (
            "looking in a string",
            "{% set a = 'x' * 1000000 %}{% for i in range(99999) %}{{ '' if 'y' in a }}{% endfor %}",
            either,
        ),
        ("slices", "{% set a = 'x' * 1000000 %}{% for i in range(99999) %}{% set b = a[::2] %}{% endfor %}", either),
        ("splitting into characters", "{{ ('x ' * 2000000).split() | length }}", either),
        ("characters of a string", "{% for c in 'x' * 2000000 %}{% endfor %}", either),
        (
            "a dictionary",
            "{% set ns = namespace(d={}) %}{% for i in range(99999) %}{% set ns.d = dict(ns.d, **{i ~ '': i}) %}{% endfor %}",
            either,
        ),
        (
            "many namespaces",
            "{% for i in range(99999) %}{% for j in range(99) %}{% set n = namespace(a=1, b=2) %}{% endfor %}{% endfor %}",
            either,
        ),
        (
            "many names",
            "{% for i in range(99999) %}{{ {}[i ~ 'a long name for nothing at all'] }}{% for j in [1, 2] %}{{ {}[j ~ i ~ 'a long name for nothing'] }}{% endfor %}{% endfor %}",
            either,
        ),
        (
            "many macros",
            "{% for i in range(99999) %}{% for j in range(99) %}{% macro f() %}{% endmacro %}{% endfor %}{% endfor %}",
            either,
        ),
        ("a macro that calls itself", "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", "nested more than"),
        (
            "macros that call each other",
            "{% macro f(x) %}{{ g(x) }}{% endmacro %}{% macro g(x) %}{% if true %}{% for i in [1] %}{{ [f(x)] }}{% endfor %}{% endif %}{% endmacro %}{{ f(1) }}",
            "nested more than",
        ),
        (
            "a caller that calls",
            "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}",
            "nested more than",
        ),
        ("a default that calls", "{% macro f(a=f()) %}{% endmacro %}{{ f() }}", "nested more than"),
        ("a loop that calls itself", "{% for m in [1] recursive %}{{ loop([1]) }}{% endfor %}", "nested more than"),
        (
            "a tree of macros",
            "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}",
            steps,
        ),
        (
            "a namespace in itself",
            "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns.a[0].a[0].a }}{{ ns | tojson }}",
            "not JSON",
        ),
        (
            "a chain of namespaces",
            "{% set ns = namespace() %}{% for i in range(99999) %}{% set n = namespace(a=ns) %}{% set ns.a = n %}{% endfor %}{{ raise }}{{ ns.a.a.a | tojson }}",
            either,
        ),
        (
            "a map of maps",
            "{{ [[[['a']]]] | map('map', 'map', 'map', 'map', 'map', 'upper') | list | tojson }}",
            "generator",
        ),
        ("a large power", "{{ 10 ** 100 }}", "63 bits"),
        ("a power of powers", "{{ 2 ** 2 ** 2 ** 2 ** 2 ** 2 ** 2 }}", "63 bits"),
        ("the smallest number", "{{ (-9223372036854775807 - 1) // -1 }}", "63 bits"),
        (
            "numbers that are none",
            "{% set n = 1e308 * 10 - 1e308 * 10 %}{{ [n, 1, n, 2, n] | sort | length }}{{ n | int + 'x' }}",
            "unsupported operand",
        ),
        ("an endless error", "{{ raise_exception('x' * 10**9) }}", either),
        ("a date of a billion letters", "{{ strftime_now('%A' * 10**7) }}", either),
        ("an item that is not there", "{{ messages[99999999999].content }}", "undefined"),
        ("attributes of Python", "{{ messages.__class__.__base__.__subclasses__() }}", "undefined"),
        ("a format's attributes", "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}", "undefined"),
    ] {
        let template = template(&sleeper(attack));
        assert_eq!(template.source(), Source::File, "{name}: {:?}", template.notes());
        let (outcome, info) = with_stack(|| {
            let mut outcome = None;
            let info = measure(|| outcome = Some(template.render(&[Message::new("user", "go")], true)));
            (outcome.unwrap(), info)
        });
        match outcome {
            Err(Error::BadTemplate { reason }) => assert!(reason.contains(expected), "{name}: {reason:.200}"),
            other => panic!("{name}: {:.200}", format!("{other:?}")),
        }
        assert!(info.bytes_max <= MEMORY, "{name}: {} bytes at a time", info.bytes_max);
        // It is none the worse for it.
        assert_eq!(template.render(&[Message::new("user", "stay")], true).unwrap(), "stay", "{name}");
    }
}

#[test]
fn sources_that_run_away_are_not_read() {
    let nested = |open: &str, middle: &str, close: &str, times: usize| {
        format!("{}{middle}{}", open.repeat(times), close.repeat(times))
    };
    for (name, source, expected) in [
        ("round brackets", format!("{{{{ {} }}}}", nested("(", "1", ")", 50_000)), "64 deep"),
        ("square brackets", format!("{{{{ {} }}}}", nested("[", "", "]", 50_000)), "64 deep"),
        ("dictionaries", format!("{{{{ {} }}}}", nested("{1:", "1", "}", 50_000)), "64 deep"),
        ("subscripts", format!("{{{{ {} }}}}", nested("a[", "1", "]", 50_000)), "64 deep"),
        ("calls", format!("{{{{ {} }}}}", nested("a(", "1", ")", 50_000)), "64 deep"),
        ("arguments of filters", format!("{{{{ {} }}}}", nested("a|f(", "1", ")", 40_000)), "64 deep"),
        ("arguments of tests", format!("{{{{ {} }}}}", nested("a is f(", "1", ")", 20_000)), "64 deep"),
        ("signs", format!("{{{{ {}1 }}}}", "-".repeat(100_000)), "64 deep"),
        ("not not", format!("{{{{ {}1 }}}}", "not ".repeat(60_000)), "64 deep"),
        ("conditions", format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(20_000)), "64 deep"),
        ("conditions without else", format!("{{{{ 1{} }}}}", " if 1".repeat(20_000)), "too many conditions"),
        ("ifs", nested("{% if 1 %}", "x", "{% endif %}", 10_000), "64 deep"),
        ("loops", nested("{% for a in b %}", "x", "{% endfor %}", 8_000), "64 deep"),
        ("else in else", "{% if 1 %}{% else %}".repeat(10_000), "64 deep"),
        ("macros", nested("{% macro a() %}", "x", "{% endmacro %}", 8_000), "64 deep"),
        ("targets", format!("{{% set {} = 1 %}}", nested("(", "a", ")", 50_000)), "64 deep"),
        ("too long", "x".repeat(300_000), "300000 bytes"),
        ("nodes", format!("{{{{ [{}] }}}}", "1,".repeat(120_000)), "bytes of memory"),
        ("tags", "{{a}}".repeat(50_000), "more than"),
        ("names", (0..20_000).map(|i| format!("{{{{n{i}}}}}")).collect(), "more than"),
        ("dots", format!("{{{{ a|{} }}}}", "b.".repeat(100_000)), "more than"),
        ("unfinished strings", "{{ '".repeat(60_000), "expected"),
        ("unfinished comments", "{#".repeat(100_000), "comment does not end"),
        ("unfinished tags", "{%".repeat(100_000), "expected a statement"),
        ("braces", "{".repeat(200_000), "64 deep"),
        ("raw", "{% raw %}".to_owned() + &"{% endra".repeat(30_000), "does not end"),
    ] {
        let (template, info) = with_stack(|| {
            let mut made = None;
            let info = measure(|| made = Some(template(&source)));
            (made.unwrap(), info)
        });
        assert_eq!(template.source(), Source::BitNet, "{name}");
        let note = &template.notes()[0];
        assert!(note.contains("template is not used") && note.contains(expected), "{name}: {note:.200}");
        // The file's tables, copied for this test, are in it too.
        assert!(info.bytes_max <= MEMORY + (2 << 20), "{name}: {} bytes at a time", info.bytes_max);
    }
    // What is merely long is read: chains are no nesting.
    for (name, source) in [
        ("a sum", format!("{{{{ messages[0].content }}}}{{{{ 0{} }}}}", " + 1".repeat(5_000))),
        ("filters", format!("{{{{ messages[0].content{} }}}}", "|trim".repeat(5_000))),
        ("elifs", format!("{{% if 0 %}}{}{{% endif %}}{{{{ messages[0].content }}}}", "{% elif 0 %}x".repeat(5_000))),
        ("and", format!("{{{{ messages[0].content }}}}{{{{ 1{} }}}}", " and 1".repeat(5_000))),
        ("text", format!("{}{{{{ messages[0].content }}}}", "some words\n".repeat(20_000))),
        ("a comment", format!("{{#{}#}}{{{{ messages[0].content }}}}", "some words\n".repeat(20_000))),
    ] {
        let template = with_stack(|| template(&source));
        assert_eq!(template.source(), Source::File, "{name}: {:?}", template.notes());
    }
}

/// A talk of many turns has room, and so has one with long messages.
#[test]
fn honest_templates_have_room() {
    let text = "{%- set ns = namespace(last=0) -%}{%- for m in messages[::-1] if m.role == 'user' and ns.last == 0 -%}\
        {%- set ns.last = messages | length - loop.index0 -%}{%- endfor -%}\
        {%- for m in messages -%}{%- set c = m.content.split('</think>')[-1].lstrip('\\n') | trim -%}\
        {{ '<' ~ m.role ~ '>' ~ c | replace('  ', ' ') ~ '</' ~ m.role ~ '>\\n' }}{%- endfor -%}";
    let template = template(text);
    assert_eq!(template.source(), Source::File, "{:?}", template.notes());
    let roles = ["user", "assistant"];
    let many: Vec<Message> = (0..3001).map(|i| Message::new(roles[i % 2], format!("turn {i} "))).collect();
    let rendered = template.render(&many, true).unwrap();
    assert_eq!(rendered.lines().count(), 3001);
    let long: Vec<Message> = (0..5).map(|i| Message::new(roles[i % 2], "some words ".repeat(100_000))).collect();
    assert!(template.render(&long, true).unwrap().len() > 5_000_000);
}
