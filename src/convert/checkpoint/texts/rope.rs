//! How rotary angles are scaled: `rope_theta` and `rope_scaling`, or `rope_parameters` of transformers 5.

use super::config::{FILE, Keys};
use super::json::{self, Object};
use crate::Result;
use crate::gguf::Value;
use crate::model::MAX_CONTEXT;
use std::f64::consts::PI;

/// What the angles depend on besides.
pub(super) struct Model {
    /// The base, where no key tells it.
    pub(super) theta: f64,
    pub(super) head_dim: u32,
    pub(super) context: u32,
}

/// A tensor of the GGUF.
type Tensor = (&'static str, Vec<f32>);

/// Sets the keys, and gives the tensors that they go with.
pub(super) fn read(config: &Object, model: &Model, keys: &mut Keys, notes: &mut Vec<String>) -> Result<Vec<Tensor>> {
    let (old, new) = (config.object("rope_scaling")?, config.object("rope_parameters")?);
    if let (Some(old), Some(new)) = (old, new) {
        agree(&old, &new)?;
    }
    let scaling = new.or(old);
    let theta = match (config.positive("rope_theta")?, scaling.map(|s| s.positive("rope_theta")).transpose()?.flatten())
    {
        (Some(one), Some(other)) if one != other => {
            let reason = format!("it is {one}, that of the rotary parameters is {other}: delete the wrong one");
            return Err(config.bad("rope_theta", reason));
        }
        (one, other) => one.or(other).unwrap_or(model.theta),
    };
    if theta < 1.0 {
        let object = match config.get("rope_theta") {
            None => scaling.as_ref().unwrap_or(config),
            Some(_) => config,
        };
        return Err(object.bad("rope_theta", format!("it is {theta}, and must be 1 or more")));
    }
    keys.set("rope.freq_base", Value::F32(theta as f32));
    let whole = |object: &Object| match object.positive("partial_rotary_factor")? {
        Some(part) if part != 1.0 => Err(object.unsupported("partial_rotary_factor", "heads are rotated whole")),
        _ => Ok(()),
    };
    whole(config)?;
    let Some(scaling) = scaling else { return Ok(Vec::new()) };
    whole(&scaling)?;
    if let Some((layers, _)) = scaling.map.iter().find(|(_, value)| value.is_object()) {
        return Err(
            scaling.unsupported(&crate::tokenizer::shown(layers), "parameters by kind of layer are not supported")
        );
    }
    for key in ["mrope_section", "short_mscale", "long_mscale", "mscale", "mscale_all_dim"] {
        if let Some(value) = scaling.get(key) {
            return Err(scaling.unsupported(key, format!("it is {}: it is not supported", json::shown(value))));
        }
    }
    let original = match scaling.count("original_max_position_embeddings", MAX_CONTEXT)? {
        None => config.count("original_max_position_embeddings", MAX_CONTEXT)?,
        there => there,
    };
    let kind = kind(&scaling)?;
    passed_over(&scaling, kind, notes);
    let factor = || scaling.positive("factor")?.ok_or_else(|| scaling.bad("factor", "it is missing"));
    let text = |value: &str| Value::String(value.to_owned());
    match kind {
        "default" => Ok(Vec::new()),
        "linear" => {
            keys.set("rope.scaling.type", text("linear"));
            keys.set("rope.scaling.factor", Value::F32(factor()? as f32));
            Ok(Vec::new())
        }
        "llama3" => {
            let original = original.ok_or_else(|| scaling.bad("original_max_position_embeddings", "it is missing"))?;
            let bound = |key: &str| scaling.positive(key)?.ok_or_else(|| scaling.bad(key, "it is missing"));
            let (low, high) = (bound("low_freq_factor")?, bound("high_freq_factor")?);
            if low >= high {
                return Err(scaling.bad("low_freq_factor", format!("{low} is not below `high_freq_factor`, {high}")));
            }
            Ok(vec![("rope_freqs.weight", llama3(model.head_dim, theta, factor()?, low, high, f64::from(original)))])
        }
        "yarn" => {
            let factor = factor()?;
            keys.set("rope.scaling.type", text("yarn"));
            keys.set("rope.scaling.factor", Value::F32(factor as f32));
            keys.set("rope.scaling.original_context_length", Value::U32(original.unwrap_or(model.context)));
            for (key, name, usual) in [("beta_fast", "yarn_beta_fast", 32.0), ("beta_slow", "yarn_beta_slow", 1.0)] {
                if let Some(beta) = scaling.positive(key)?.filter(|beta| *beta != usual) {
                    keys.set(&format!("rope.scaling.{name}"), Value::F32(beta as f32));
                }
            }
            if scaling.bool("truncate")? == Some(false) {
                return Err(scaling.unsupported("truncate", "the ends of YaRN's ramp are whole pairs here"));
            }
            if let Some(magnitude) = scaling.positive("attention_factor")? {
                let usual = if factor > 1.0 { 1.0 + 0.1 * libm::log(factor) } else { 1.0 };
                if (magnitude - usual).abs() > 1e-6 * usual {
                    keys.set("rope.scaling.attn_factor", Value::F32((magnitude / usual) as f32));
                }
            }
            let implied = original.map(|original| f64::from(model.context) / f64::from(original));
            if implied.is_some_and(|implied| implied != factor) {
                notes.push(format!(
                    "{FILE}: {} is {factor}, but `max_position_embeddings` is {} times the original length: the factor counts",
                    scaling.name("factor"),
                    implied.unwrap_or_default()
                ));
            }
            Ok(Vec::new())
        }
        "longrope" => longrope(&scaling, model, original, keys),
        other => {
            let other = crate::tokenizer::shown(other);
            let key = if scaling.get("rope_type").is_some() { "rope_type" } else { "type" };
            let known = "known are default, linear, llama3, yarn and longrope";
            Err(scaling.unsupported(key, format!("scaling by {other} is not supported; {known}")))
        }
    }
}

/// The kind of scaling, by its own key or the older one; `default` where nothing is scaled.
fn kind<'a>(scaling: &Object<'a>) -> Result<&'a str> {
    let spelt = |kind: &'a str| if kind == "su" { "longrope" } else { kind };
    let (new, old) = (scaling.text("rope_type")?.map(spelt), scaling.text("type")?.map(spelt));
    match (new, old) {
        (Some(new), Some(old)) if new != old => {
            let [new, old] = [new, old].map(crate::tokenizer::shown);
            Err(scaling.bad("rope_type", format!("it is {new}, and `type` is {old}: delete the wrong one")))
        }
        (Some(kind), _) | (None, Some(kind)) => Ok(kind),
        (None, None) => {
            match scaling.map.keys().find(|key| !BASE.contains(&key.as_str()) && scaling.get(key).is_some()) {
                None => Ok("default"),
                Some(key) => {
                    let key = crate::tokenizer::shown(key);
                    let reason = format!("it is missing, and there is `{key}`: write which kind of scaling it is of");
                    Err(scaling.bad("rope_type", reason))
                }
            }
        }
    }
}

/// What scales nothing.
const BASE: [&str; 5] =
    ["rope_type", "type", "rope_theta", "partial_rotary_factor", "original_max_position_embeddings"];

/// Tells of keys that a kind of scaling does not have.
fn passed_over(scaling: &Object, kind: &str, notes: &mut Vec<String>) {
    let own: &[&str] = match kind {
        "default" => &[],
        "linear" => &["factor"],
        "llama3" => &["factor", "low_freq_factor", "high_freq_factor"],
        "yarn" => &["factor", "beta_fast", "beta_slow", "truncate", "attention_factor"],
        "longrope" => &["factor", "long_factor", "short_factor", "attention_factor"],
        _ => return, // refused
    };
    let is_known = |key: &&String| BASE.contains(&key.as_str()) || own.contains(&key.as_str());
    let others: Vec<&String> = scaling.map.keys().filter(|key| !is_known(key) && scaling.get(key).is_some()).collect();
    if !others.is_empty() {
        let others = json::a_few(&others, |key| scaling.name(&crate::tokenizer::shown(key)));
        notes.push(format!("{FILE}: {others}: scaling of the kind {kind} has no such key, it is not used"));
    }
}

/// Refuses two objects of which one would be passed over.
fn agree(old: &Object, new: &Object) -> Result<()> {
    let differs = |key: &&String| !["rope_type", "type"].contains(&key.as_str()) && old.get(key) != new.get(key);
    let differing = old.map.keys().find(|key| old.get(key).is_some() && differs(key));
    if let Some(key) = differing {
        let key = crate::tokenizer::shown(key);
        return Err(old.bad(&key, "`rope_parameters` says something else: delete the wrong one of the two"));
    }
    let (was, is) = (kind(old)?, kind(new)?);
    if was != is {
        let [was, is] = [was, is].map(crate::tokenizer::shown);
        let reason = format!("it is {was}, and that of `rope_parameters` is {is}: delete the wrong one of the two");
        return Err(old.bad("rope_type", reason));
    }
    Ok(())
}

/// What each pair's frequency is divided by: nothing for those that turn often over the original context, the whole factor
/// for those that turn seldom.
fn llama3(head_dim: u32, theta: f64, factor: f64, low: f64, high: f64, original: f64) -> Vec<f32> {
    let divisor = |pair: u32| {
        let turns = original / (2.0 * PI * libm::pow(theta, f64::from(2 * pair) / f64::from(head_dim)));
        let smooth = ((turns - low) / (high - low)).clamp(0.0, 1.0);
        (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
    };
    (0..head_dim / 2).map(divisor).collect()
}

/// Lists of divisors, one for contexts up to the original one and one for longer ones.
fn longrope(scaling: &Object, model: &Model, original: Option<u32>, keys: &mut Keys) -> Result<Vec<Tensor>> {
    let list = |key: &str| {
        let list = scaling.list(key)?.ok_or_else(|| scaling.bad(key, "it is missing"))?;
        let pairs = model.head_dim as usize / 2;
        if list.len() != pairs {
            return Err(
                scaling.bad(key, format!("it has {} factors, a head of {} has {pairs}", list.len(), model.head_dim))
            );
        }
        let factor = |value: &serde_json::Value| value.as_f64().map(|f| f as f32).filter(|f| f.is_finite() && *f > 0.0);
        let factors: Option<Vec<f32>> = list.iter().map(factor).collect();
        factors.ok_or_else(|| scaling.bad(key, "not all of them are numbers above zero"))
    };
    let (long, short) = (list("long_factor")?, list("short_factor")?);
    let original = original.unwrap_or(model.context);
    let scale = match scaling.positive("factor")? {
        Some(factor) => factor,
        None => f64::from(model.context) / f64::from(original),
    };
    let magnitude = match scaling.positive("attention_factor")? {
        Some(magnitude) => magnitude,
        None if scale > 1.0 && original == 1 => {
            let reason = "it is 1, which says nothing of how long a context is: write that of the training";
            return Err(scaling.bad("original_max_position_embeddings", reason));
        }
        None if scale > 1.0 => (1.0 + libm::log(scale) / libm::log(f64::from(original))).sqrt(),
        None => 1.0,
    };
    keys.set("rope.scaling.type", Value::String("longrope".to_owned()));
    keys.set("rope.scaling.original_context_length", Value::U32(original));
    if magnitude != 1.0 {
        keys.set("rope.scaling.attn_factor", Value::F32(magnitude as f32));
    }
    Ok(vec![("rope_factors_long.weight", long), ("rope_factors_short.weight", short)])
}
