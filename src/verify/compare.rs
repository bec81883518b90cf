//! Where a run first differs from another run, and from what was published of the official file.

use super::answer::Answer;
use serde::{Deserialize, Serialize};

/// SHA-256 of `ggml-model-i2_s.gguf` of microsoft/bitnet-b1.58-2B-4T-gguf, 1 187 801 280 bytes.
pub const OFFICIAL_SHA256: &str = "4221b252fdd5fd25e15847adfeb5ee88886506ba50b8a34548374492884c2162";

/// What a comparison needs of another run's metrics.json.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Run {
    prompts: Vec<RunEntry>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct RunEntry {
    prompt: String,
    ids: Vec<u32>,
}

/// An answer against another run's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Comparison {
    /// The same tokens, and as many.
    pub same: bool,
    /// The first token that differs, from 0.
    pub parts_at_token: Option<usize>,
}

impl Run {
    /// Nothing where the other run did not have the prompt.
    pub(super) fn compare(&self, answer: &Answer) -> Option<Comparison> {
        let theirs = &self.prompts.iter().find(|p| p.prompt == answer.prompt)?.ids;
        let common = answer.ids.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        let same = common == answer.ids.len() && common == theirs.len();
        Some(Comparison { same, parts_at_token: (!same).then_some(common) })
    }
}

/// An answer of the official file against a published one, which is text: word by word, as far as both go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PublishedComparison {
    /// No word differs.
    pub same: bool,
    /// Words that agree, from the prompt's first.
    pub agreeing_words: usize,
    /// Words that were published.
    pub words: usize,
}

impl PublishedComparison {
    /// Nothing where the prompt is not one of the published account's.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let theirs = PUBLISHED.iter().find(|text| text.starts_with(&answer.prompt))?;
        Some(Self::between(&format!("{}{}", answer.prompt, answer.text), theirs))
    }

    /// White space counts as one space: the account did not keep it exactly. Our last word may have been cut.
    fn between(ours: &str, theirs: &str) -> Self {
        let words = theirs.split_whitespace().count();
        let agreeing_words = ours.split_whitespace().zip(theirs.split_whitespace()).take_while(|(a, b)| a == b).count();
        let cut = ours.split_whitespace().count() == agreeing_words + 1;
        let rest = theirs.split_whitespace().nth(agreeing_words);
        let last = ours.split_whitespace().nth(agreeing_words);
        let same = match (last, rest) {
            (Some(last), Some(rest)) => cut && rest.starts_with(last),
            _ => true,
        };
        Self { same, agreeing_words, words }
    }
}

/// What bitnet.cpp (clang 14, x86-64 with AVX2, greedy, llama-bpe splitter) wrote with the official file, from a report of
/// 2026-02-05; at most 100 tokens of the first and 200 of the others.
const PUBLISHED: [&str; 5] = [
    "The capital of France is Paris. Paris is a city that is known for its rich history, culture, and architecture. \
     It is also a major center for art, fashion, and cuisine. The city is located in the northern part of France and \
     is known for its iconic landmarks such as the Eiffel Tower, Notre-Dame Cathedral, and the Louvre Museum. Paris \
     is also famous for its romantic atmosphere and is often referred to as the \"City of Love.\"",
    "Microsoft Corporation is an American multinational technology company headquartered in Redmond, Washington. \
     Microsoft is a leading software company that develops, manufactures, licenses, and sells computer software, \
     consumer electronics, and related services. The company was founded by Bill Gates and Paul Allen in 1975 and is \
     currently led by CEO Satya Nadella. Microsoft's products include Windows, Office, and Xbox, among others. The \
     company is a major player in the technology industry and has a significant impact on the global economy. \
     Microsoft's history dates back to 1975 when Bill Gates and Paul Allen founded the company. The two co-founders \
     were students at the University of Washington and had a passion for programming. They developed the first \
     version of the Microsoft BASIC language, which was a popular programming language at the time. In 1980, \
     Microsoft released its first software product, MS-DOS, which was a disk operating system for personal computers. \
     This product was a major success and helped establish Microsoft as a major player in the software industry.",
    "In the year 2025, artificial intelligence (AI) has become an integral part of our daily lives. AI has \
     transformed the way we work, communicate, and even entertain ourselves. From virtual assistants like Siri and \
     Alexa to self-driving cars and personalized recommendations on streaming platforms, AI has made our lives more \
     convenient and efficient. However, as AI continues to evolve and become more sophisticated, it also raises \
     important questions about its impact on society. One of the most pressing concerns is the potential for AI to \
     displace human workers. As machines become more capable of performing tasks that were previously done by humans, \
     there is a risk that many jobs could become obsolete. Another concern is the issue of bias in AI systems. AI \
     algorithms are only as good as the data they are trained on, and if that data is biased, the resulting AI system \
     will also be biased. This can lead to unfair treatment of certain groups of people, such as minorities or women. \
     Furthermore, there is also the issue of accountability in AI decision-making. As AI systems become more",
    "The theory of relativity states that the speed of light is constant and that time and space are relative. The \
     theory of relativity also states that the speed of light is constant and that time and space are relative.",
    "Once upon a time in a small village, there lived a young girl named Lily. Lily was a curious and adventurous \
     girl who loved to explore the world around her. She had a special talent for finding hidden treasures and \
     solving mysteries. One day, while exploring the forest, Lily stumbled upon an old, mysterious-looking book. The \
     book was covered in dust and had strange symbols on the cover. Lily was intrigued and decided to take the book \
     home to show her grandmother. Her grandmother, a wise and kind woman, examined the book and told Lily that it \
     was an ancient book of spells and incantations. She warned Lily that the book was very powerful and that she \
     should be careful with it. Lily was fascinated by the book and spent hours reading through it. She discovered \
     that it contained spells to make things grow, find hidden treasures, and even make things disappear. Lily was \
     excited to try out her new discoveries. One day, while exploring the forest, Lily came across a group of animals \
     who were struggling to find food. They were",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::FinishReason;
    use crate::verify::PROMPTS;

    fn answer(prompt: &str, text: &str, ids: &[u32]) -> Answer {
        Answer {
            prompt: prompt.into(),
            text: text.into(),
            ids: ids.to_vec(),
            log_probabilities: Vec::new(),
            entropies: Vec::new(),
            finish_reason: FinishReason::Length,
            usage: Default::default(),
            timings: Default::default(),
        }
    }

    #[test]
    fn runs_part_where_their_ids_do() {
        let run = Run { prompts: vec![RunEntry { prompt: "p".into(), ids: vec![5, 6, 7] }] };
        let parts = |ids: &[u32]| run.compare(&answer("p", "", ids)).unwrap();
        assert_eq!(parts(&[5, 6, 7]), Comparison { same: true, parts_at_token: None });
        assert_eq!(parts(&[5, 9, 7]).parts_at_token, Some(1));
        assert_eq!(parts(&[5, 6]).parts_at_token, Some(2));
        assert_eq!(parts(&[5, 6, 7, 8]).parts_at_token, Some(3));
        assert_eq!(run.compare(&answer("q", "", &[5])), None);
    }

    #[test]
    fn the_first_five_prompts_have_a_published_answer() {
        for (prompt, published) in PROMPTS.iter().zip(PUBLISHED) {
            let text = &published[prompt.len()..];
            let whole = PublishedComparison::of(&answer(prompt, &text.replace(' ', "\n"), &[])).unwrap();
            assert!(whole.same && whole.words > 30, "{prompt}: {whole:?}");
            let longer = PublishedComparison::of(&answer(prompt, &format!("{text} and on"), &[])).unwrap();
            assert!(longer.same);
            let cut = PublishedComparison::of(&answer(prompt, &text[..text.len() / 2], &[])).unwrap();
            assert!(cut.same && cut.agreeing_words < cut.words);
            let other = PublishedComparison::of(&answer(prompt, " GGGG GGGG", &[])).unwrap();
            // The prompt's own words agree; after the last one of the fifth a comma follows.
            let own = prompt.split(' ').count();
            assert!(!other.same && (own - 1..=own).contains(&other.agreeing_words), "{prompt}: {other:?}");
        }
        assert_eq!(PublishedComparison::of(&answer(PROMPTS[5], " 100", &[])), None);
    }
}
