//! A model's graph in words, for people.

use super::architecture::Architecture;
use super::{Activation, Config, Pooling};

impl Config {
    /// Family and size.
    pub fn summary(&self) -> String {
        let models = Architecture::of(&self.architecture).map_or("", |architecture| architecture.models);
        let Config { layers, embedding, feed_forward, heads, kv_heads, head_dim, .. } = self;
        let gate = match self.activation {
            Activation::Relu2 => "relu²",
            Activation::Silu => "SiLU",
        };
        format!(
            "{} ({models}): {layers} layers of {embedding}, {heads} heads of {head_dim} on {kv_heads} of keys and values, \
             feed-forward {feed_forward} with {gate}",
            self.architecture
        )
    }

    /// What most graphs do not have.
    pub fn peculiarities(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut say = |is: bool, what: &str| found.extend(is.then(|| what.to_owned()));
        say(self.sub_norms, "norms before the last projections of attention and of the feed-forward network");
        say(self.head_norms, "a norm of each head of queries and keys");
        say(self.input_norms, "a norm before each projection");
        let scaling = &self.rope_scaling;
        let factor = scaling.factor;
        say(scaling.ramp.is_some(), &format!("YaRN by {factor}, cosines and sines times {:.4}", scaling.magnitude));
        say(scaling.ramp.is_none() && factor != 1.0, &format!("positions divided by {factor}"));
        if let Some(short) = scaling.short_context {
            say(true, &format!("longrope: other angles in contexts of more than {short} tokens"));
        }
        let (q, e) = (self.q_width(), self.embedding);
        say(q != e, &format!("queries {q} wide together, not {e}"));
        let scales = [self.embedding_scale, self.residual_scale, self.logit_scale];
        let [embedding, residual, logits] = scales;
        say(
            scales != [1.0; 3],
            &format!("embedding times {embedding}, layers' outputs times {residual}, logits divided by {logits}"),
        );
        say(self.pooling != Pooling::None, &format!("embeds texts: {}", self.pooling.name()));
        found
    }
}
