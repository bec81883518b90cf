//! Templates that would run away with the page (CVE-2026-5760: a template that reaches out of its sandbox). A model is more
//! than its template: BitNet's own takes the place of a hostile one, and a note says so.

use super::file::{attack, string, u32};
use super::{harmless, test};
use b158::chat::Source;

#[test]
fn hostile_templates_are_not_run() {
    let nested = format!("{}x{}", "{% for a in messages %}".repeat(40), "{% endfor %}".repeat(40));
    let brackets = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    let doubling = format!("{{% set a = messages[0].content %}}{}{{{{ a }}}}", "{% set a = a ~ a %}".repeat(40));
    let listed = format!("{{% set a = messages %}}{}{{{{ a }}}}", "{% set a = [a, a] %}".repeat(40));
    let cube = "{% for a in messages %}{% for b in messages %}{% for c in messages %}";
    let loops = format!("{0}{1}{0}{1}", cube, "{{ range(9999999) }}{% endfor %}{% endfor %}{% endfor %}");
    for (name, template) in [
        ("infinite loop", "{% for i in range(10**12) %}{% endfor %}{{ messages[0].content }}"),
        ("loop over loops", &loops),
        ("exponential growth", &doubling),
        ("growth by multiplication", "{{ messages[0].content * 1000000000 }}"),
        ("growth in a list", &listed),
        ("deep recursion", "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}"),
        ("recursive loop", "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}"),
        ("deep nesting", &nested),
        ("deep brackets", &brackets),
        ("attribute access", "{{ messages.__class__.__base__.__subclasses__() }}"),
        ("attributes of a string", "{{ ''.__class__.__mro__[1] }}"),
        ("reading a file", "{% include '/etc/passwd' %}{{ messages[0].content }}"),
        ("importing", "{% import 'os' as os %}{{ os.environ }}"),
        ("no messages", "{{ conversation[0].content }}"),
        ("the messages are lost", "hello"),
        ("unfinished", "{% for m in messages %}{{ m.content"),
        ("invalid", "{{ ) }}"),
        ("empty", ""),
        ("of 20,000 bytes", &"x".repeat(20_000)),
    ] {
        let loaded = harmless(name, &attack(|file| file.set("tokenizer.chat_template", string(template))));
        assert_eq!(loaded.template.source(), Source::BitNet, "{name}");
        assert!(loaded.notes.iter().any(|note| note.contains("template is not used")), "{name}: {:?}", loaded.notes);
    }
    let loaded = harmless("a number", &attack(|file| file.set("tokenizer.chat_template", u32(1))));
    assert_eq!(loaded.template.source(), Source::BitNet);
}
