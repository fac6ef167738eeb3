//! What a run would take, as plain data: what the verb prints and the screen draws.

use serde::{Deserialize, Serialize};

/// What is known of a run before it is started. What could not be known is `None`, and a remark says why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Card {
    /// The preset as the user called it.
    pub preset: String,
    pub model: String,
    pub data: String,
    /// The device of the run: `cpu`, `cuda:0`; empty before it is open.
    pub device: String,
    /// What speaks against the run; what would end it first.
    pub remarks: Vec<Remark>,
    /// What the run would fetch before anything else.
    pub downloads: Vec<Download>,
    /// What is not known, and why, where nothing could be measured.
    pub unknown: Option<String>,
    pub rows: Option<Rows>,
    pub parameters: Option<Parameters>,
    pub memory: Option<Memory>,
    /// In the order of the run. Empty where nothing was measured.
    pub phases: Vec<PhaseTime>,
    pub lengths: Option<Lengths>,
    pub disk: Option<Disk>,
}

/// How a run would fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing speaks against it.
    Ready,
    /// It would run, and something deserves a look.
    Warning,
    /// It would not start, or not come to its end.
    Refused,
}

impl Verdict {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Ready => "ready",
            Verdict::Warning => "warning",
            Verdict::Refused => "refused",
        }
    }
}

/// How much a remark weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// The run would end before its first step.
    Start,
    /// It would run out of memory or disk.
    Fit,
    /// It would run.
    Warning,
}

/// Something that speaks against a run, with numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    pub weight: Weight,
    pub message: String,
    /// What helps, in words; may be empty.
    pub help: String,
    /// The setting to change first, where one helps.
    pub key: Option<String>,
}

impl Remark {
    /// Whether the run would not start or not come to its end.
    pub fn refuses(&self) -> bool {
        self.weight != Weight::Warning
    }
}

/// Something that the cache has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// `model.id` or `data.id`.
    pub key: String,
    pub id: String,
    /// Bytes of all its files, where the hub tells them.
    pub bytes: Option<u64>,
}

/// Rows of each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

/// Numbers of the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// A, B and head in the search: what its `prepared` event says.
    pub trainable: usize,
    /// Of A and B at rank k of all modules.
    pub a: usize,
    pub b: usize,
    pub head: usize,
    pub frozen: usize,
    /// k, and the modules that carry LoRA.
    pub rank: usize,
    pub modules: usize,
    /// A and B at rank 4 everywhere: what a plain LoRA would train.
    pub uniform4: usize,
}

/// Bytes at the peaks, by estimate, beside what is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub frozen: u64,
    pub search: u64,
    pub retrain: u64,
    pub evaluate: u64,
    /// `None` where the device does not tell.
    pub free: Option<u64>,
}

impl Memory {
    /// The peak of all phases.
    pub fn peak(&self) -> u64 {
        self.search.max(self.retrain).max(self.evaluate)
    }
}

/// Time of a part of the run: its steps times what one took when it was tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// `prepare`, `warmup`, `search`, `retrain`, `evaluate`, `baseline`.
    pub name: String,
    pub steps: usize,
    /// Seconds of one step; of `prepare`, of the whole.
    pub step_s: f64,
    /// Steps that were timed, after one to warm up. 0: taken from another phase.
    pub timed: usize,
}

impl PhaseTime {
    /// Seconds of the whole phase.
    pub fn seconds(&self) -> f64 {
        self.step_s * self.steps as f64
    }
}

/// Lengths of the rows that are trained on, in tokens, uncut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lengths {
    /// Rows that were counted, and how many there are: long files are looked at in part.
    pub counted: usize,
    pub rows: usize,
    /// Tokens that a row is cut to.
    pub max_length: usize,
    /// Rows longer than that.
    pub longer: usize,
    /// Lengths that 50, 90, 99 and 100 % of the rows do not exceed.
    pub p50: u32,
    pub p90: u32,
    pub p99: u32,
    pub max: u32,
    /// The upper end of each bin and its rows.
    pub histogram: Vec<(u32, usize)>,
}

impl Lengths {
    /// Share of the rows that are longer than the run takes.
    pub fn share_cut(&self) -> f64 {
        self.longer as f64 / self.counted.max(1) as f64
    }
}

/// Bytes that the run would write, beside what is free where runs are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The largest checkpoint, and how many there are at once: those kept and the one being written.
    pub checkpoint: u64,
    pub checkpoints: usize,
    pub log: u64,
    pub adapter: u64,
    pub free: Option<u64>,
}

impl Disk {
    /// All of it.
    pub fn needed(&self) -> u64 {
        self.checkpoint * self.checkpoints as u64 + self.log + self.adapter
    }
}

impl Card {
    /// The worst of the remarks.
    pub fn verdict(&self) -> Verdict {
        match (self.remarks.is_empty(), self.remarks.iter().any(Remark::refuses)) {
            (true, _) => Verdict::Ready,
            (false, false) => Verdict::Warning,
            (false, true) => Verdict::Refused,
        }
    }

    /// Seconds of the whole run, where its steps were timed.
    pub fn total_s(&self) -> Option<f64> {
        (!self.phases.is_empty()).then(|| self.phases.iter().map(PhaseTime::seconds).sum())
    }

    /// The phase of this name.
    pub fn phase(&self, name: &str) -> Option<&PhaseTime> {
        self.phases.iter().find(|phase| phase.name == name)
    }

    /// One object for programs: the card with its verdict and sums.
    pub fn json(&self) -> serde_json::Value {
        let mut value = serde_json::json!({
            "type": "preflight",
            "verdict": self.verdict().name(),
            "total_s": self.total_s(),
        });
        // A card is a struct of plain values, which always has a form in JSON.
        if let (Some(all), Ok(serde_json::Value::Object(card))) = (value.as_object_mut(), serde_json::to_value(self)) {
            all.extend(card);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_reads_back_from_its_json() {
        let card = Card {
            preset: "demo".into(),
            phases: vec![PhaseTime { name: "search".into(), steps: 10, step_s: 0.5, timed: 3 }],
            remarks: vec![Remark { weight: Weight::Warning, message: "m".into(), help: "h".into(), key: None }],
            ..Card::default()
        };
        let json = card.json();
        assert_eq!((&json["verdict"], &json["total_s"]), (&"warning".into(), &5.0.into()));
        assert_eq!(serde_json::from_value::<Card>(json).unwrap(), card);
    }
}
