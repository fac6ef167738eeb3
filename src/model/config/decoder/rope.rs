//! Rotary positions and the ways in which models stretch them, as `modeling_rope_utils` of transformers has them.

use crate::ops::Rope;
use serde_json::Value;
use std::f64::consts::PI;

/// One kind of rotary positions.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeRule {
    pub theta: f64,
    /// Elements of a head that are turned.
    pub width: usize,
    pub scaling: Scaling,
}

/// How the angles are stretched for texts longer than those of the pretraining.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    Default,
    /// All angles divided.
    Linear {
        factor: f64,
    },
    /// The base grows with rows longer than `longest` ("NTK-aware").
    Dynamic {
        factor: f64,
        longest: f64,
    },
    /// Long wavelengths divided, short ones kept.
    Llama3 {
        factor: f64,
        low: f64,
        high: f64,
        original: f64,
    },
    /// A ramp from kept to divided angles; what is turned is multiplied.
    Yarn {
        factor: f64,
        attention: f64,
        fast: f64,
        slow: f64,
        original: f64,
        truncate: bool,
    },
    /// A divisor for every angle, one set for rows up to the original length and one for longer ones.
    LongRope {
        short: Vec<f64>,
        long: Vec<f64>,
        attention: f64,
        original: f64,
    },
}

impl RopeRule {
    /// Cosines and sines of places 0..`length`.
    pub fn table(&self, length: usize) -> Rope {
        let plain = || Rope::frequencies(self.width, self.theta);
        let (frequencies, factor) = match &self.scaling {
            Scaling::Default => (plain(), 1.0),
            Scaling::Linear { factor } => (plain().iter().map(|f| f / factor).collect(), 1.0),
            Scaling::Dynamic { factor, longest } => {
                let seen = (length as f64).max(*longest);
                let power = self.width as f64 / (self.width as f64 - 2.0);
                let theta = self.theta * (factor * seen / longest - (factor - 1.0)).powf(power);
                (Rope::frequencies(self.width, theta), 1.0)
            }
            Scaling::Llama3 { factor, low, high, original } => {
                let scaled = |&f: &f64| {
                    let turns = original * f / (2.0 * PI);
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    (1.0 - kept) * f / factor + kept * f
                };
                (plain().iter().map(scaled).collect(), 1.0)
            }
            Scaling::Yarn { factor, attention, fast, slow, original, truncate } => {
                let (from, to) = self.ramp((*fast, *slow), *original, *truncate);
                let scaled = |(i, f): (usize, &f64)| {
                    let divided = ((i as f64 - from) / (to - from)).clamp(0.0, 1.0);
                    f / factor * divided + f * (1.0 - divided)
                };
                (plain().iter().enumerate().map(scaled).collect(), *attention)
            }
            Scaling::LongRope { short, long, attention, original } => {
                let divisors = if length as f64 > *original { long } else { short };
                (plain().iter().zip(divisors).map(|(f, divisor)| f / divisor).collect(), *attention)
            }
        };
        Rope::of(length, &frequencies, factor)
    }

    /// Where YaRN's ramp starts and ends, in pairs of elements.
    fn ramp(&self, (fast, slow): (f64, f64), original: f64, truncate: bool) -> (f64, f64) {
        let width = self.width as f64;
        let pair = |turns: f64| width * (original / (turns * 2.0 * PI)).ln() / (2.0 * self.theta.ln());
        let (mut from, mut to) = (pair(fast), pair(slow));
        if truncate {
            (from, to) = (from.floor(), to.ceil());
        }
        let (from, to) = (from.max(0.0), to.min(width - 1.0));
        if from == to { (from, to + 0.001) } else { (from, to) }
    }
}

/// Reads the rule out of a configuration: `parameters` is transformers 5's `rope_parameters` (of a kind of layer),
/// else `rope_theta` and `rope_scaling` are read.
pub fn parse(config: &Value, parameters: Option<&Value>, theta: f64, head_dim: usize) -> Result<RopeRule, String> {
    let scaling = parameters.or_else(|| config.get("rope_scaling")).filter(|scaling| !scaling.is_null());
    let number = |key: &str| scaling.and_then(|scaling| scaling.get(key)).and_then(Value::as_f64);
    let beside = |key: &str| number(key).or_else(|| config.get(key).and_then(Value::as_f64));
    let longest = config.get("max_position_embeddings").and_then(Value::as_f64).unwrap_or(2048.0);
    let partial = beside("partial_rotary_factor").unwrap_or(1.0);
    let width = (head_dim as f64 * partial) as usize;
    let theta = number("rope_theta").or_else(|| beside("rope_theta")).unwrap_or(theta);
    let kind = scaling.and_then(|scaling| scaling.get("rope_type").or_else(|| scaling.get("type")));
    let mut kind = kind.and_then(Value::as_str).unwrap_or("default");
    if config.get("model_type").and_then(Value::as_str) == Some("phi3") && matches!(kind, "su" | "yarn") {
        kind = "longrope";
    }
    let needed = |key: &str| {
        number(key).filter(|number| *number > 0.0).ok_or_else(|| format!("rope_type `{kind}` needs a positive `{key}`"))
    };
    let original = beside("original_max_position_embeddings").unwrap_or(longest);
    let scaling = match kind {
        "default" => Scaling::Default,
        "linear" => Scaling::Linear { factor: needed("factor")? },
        "dynamic" => Scaling::Dynamic { factor: needed("factor")?, longest },
        "llama3" => Scaling::Llama3 {
            factor: needed("factor")?,
            low: needed("low_freq_factor")?,
            high: needed("high_freq_factor")?,
            original: needed("original_max_position_embeddings")?,
        },
        "yarn" => {
            let factor = number("factor").unwrap_or(longest / original);
            let grown = |weight: f64| if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 };
            let weight = |key: &str| number(key).filter(|weight| *weight != 0.0);
            let attention = match (weight("mscale"), weight("mscale_all_dim")) {
                (Some(own), Some(all)) => grown(own) / grown(all),
                _ => grown(1.0),
            };
            Scaling::Yarn {
                factor,
                attention: number("attention_factor").unwrap_or(attention),
                fast: number("beta_fast").unwrap_or(32.0),
                slow: number("beta_slow").unwrap_or(1.0),
                original,
                truncate: scaling.and_then(|s| s.get("truncate")).and_then(Value::as_bool).unwrap_or(true),
            }
        }
        "longrope" => {
            let factor = number("factor").unwrap_or(longest / original);
            let attention = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() };
            let divisors = |key: &str| -> Result<Vec<f64>, String> {
                let list = scaling.and_then(|scaling| scaling.get(key)).and_then(Value::as_array);
                let list: Option<Vec<f64>> = list.and_then(|list| list.iter().map(Value::as_f64).collect());
                match list {
                    Some(list) if list.len() == width / 2 && list.iter().all(|divisor| *divisor > 0.0) => Ok(list),
                    _ => Err(format!("rope_type `longrope` needs `{key}`, {} positive numbers", width / 2)),
                }
            };
            Scaling::LongRope {
                short: divisors("short_factor")?,
                long: divisors("long_factor")?,
                attention: number("attention_factor").unwrap_or(attention),
                original,
            }
        }
        other => {
            return Err(format!(
                "rope_type `{other}` is not supported; supported: default, linear, dynamic, llama3, yarn, longrope"
            ));
        }
    };
    Ok(RopeRule { theta, width, scaling })
}
