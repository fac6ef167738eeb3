//! A home folder for the real binary, with a tiny random BERT and a preset that trains it in seconds.

use candle_core::{Device, Tensor};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const LAYERS: usize = 2;
const HIDDEN: usize = 16;

/// A place of its own for one test. Workers that are left are killed when it is dropped.
pub struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Home {
        let folder = tempfile::tempdir().unwrap();
        write_model(&folder.path().join("model"));
        let home = Home { folder };
        fs::write(home.path("quick.toml"), PRESET).unwrap();
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `autolora` with this home and these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_autolora"));
        command.args(arguments).current_dir(self.folder.path()).env("AUTOLORA_HOME", self.path("home"));
        command.env("NO_COLOR", "1").env("RAYON_NUM_THREADS", "1").stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn autolora(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(arguments).output().unwrap())
    }

    /// Changes one bit of the model's weights; what it gives changes it back.
    pub fn damage_model(&self) -> impl FnOnce() {
        let path = self.path("model/model.safetensors");
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        move || fs::write(path, whole).unwrap()
    }

    /// Starts a run in the background and gives its id; `steps` of the search, the rest is short.
    pub fn detach(&self, steps: usize) -> String {
        self.detach_with(&[&format!("search.steps={steps}")])
    }

    /// Starts a run with settings changed.
    pub fn detach_with(&self, sets: &[&str]) -> String {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> = ["run", "quick.toml", "--detach"].into_iter().chain(sets).collect();
        let answer = self.autolora(&arguments);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        answer.out.trim().to_string()
    }

    pub fn show(&self, run: &str) -> Value {
        let answer = self.autolora(&["show", run, "--json"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        serde_json::from_str(&answer.out).unwrap()
    }

    pub fn run_dir(&self, run: &str) -> PathBuf {
        self.path("home").join("runs").join(run)
    }

    pub fn events(&self, run: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.run_dir(run).join("events.jsonl")).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        text[..whole].lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until the log has an event that fits.
    pub fn wait_for(&self, run: &str, what: &str, fits: impl Fn(&Value) -> bool) {
        wait(what, || self.events(run).iter().any(&fits));
    }

    pub fn wait_for_state(&self, run: &str, state: &str) {
        wait(state, || self.show(run)["state"] == state);
    }

    pub fn pid(&self, run: &str) -> i32 {
        self.show(run)["pid"].as_i64().expect("a worker is at work") as i32
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for run in fs::read_dir(self.path("home").join("runs")).into_iter().flatten().flatten() {
            let held = fs::File::open(run.path().join("lock")).is_ok_and(|lock| lock.try_lock_shared().is_err());
            let holder = fs::read_to_string(run.path().join("lock")).unwrap_or_default();
            if let (true, Ok(holder)) = (held, serde_json::from_str::<Value>(&holder)) {
                signal(holder["pid"].as_i64().unwrap() as i32, rustix::process::Signal::KILL);
            }
        }
    }
}

/// What a finished command said.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Answer {
    pub fn of(output: Output) -> Answer {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Every line of stdout as JSON.
    pub fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
    }
}

pub fn signal(pid: i32, signal: rustix::process::Signal) {
    let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal);
}

pub fn signal_child(child: &Child, which: rustix::process::Signal) {
    signal(i32::try_from(child.id()).unwrap(), which);
}

pub fn wait(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const PRESET: &str = r#"# Seconds on a busy machine.
[model]
id = "./model"
[data]
id = "builtin:demo"
max_length = 16
max_train_rows = 200
max_test_rows = 64
[lora]
targets = ["query", "value"]
rank = 3
dropout = 0.1
[search]
steps = 60
warmup_steps = 5
batch_size = 4
[search.selection_optimizer]
lr = 0.05
[retrain]
epochs = 1.0
batch_size = 4
[baseline]
head_only = true
uniform = 2
[runtime]
device = "cpu"
checkpoint_every = 0.02
"#;

/// A BERT of random weights with the tokenizer of the demo.
fn write_model(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/tokenizer.json");
    let tokenizer_text = fs::read_to_string(&tokenizer).unwrap();
    let tokens: Value = serde_json::from_str(&tokenizer_text).unwrap();
    let vocabulary = tokens["model"]["vocab"].as_object().unwrap().len().next_multiple_of(64);
    fs::write(folder.join("tokenizer.json"), tokenizer_text).unwrap();
    let config = serde_json::json!({
        "model_type": "bert", "vocab_size": vocabulary, "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "num_attention_heads": 2, "intermediate_size": 2 * HIDDEN, "max_position_embeddings": 32, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "pad_token_id": 0,
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let mut tensors = HashMap::new();
    let mut put = |name: String, shape: &[usize]| {
        let count: usize = shape.iter().product();
        let salt = name.len() as f32;
        let centre = if name.ends_with("LayerNorm.weight") { 1.0 } else { 0.0 };
        let values: Vec<f32> = (0..count).map(|i| centre + 0.3 * (i as f32 * 12.9898 + salt).sin()).collect();
        tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    };
    let h = HIDDEN;
    for (name, rows) in [("word", vocabulary), ("position", 32), ("token_type", 2)] {
        put(format!("bert.embeddings.{name}_embeddings.weight"), &[rows, h]);
    }
    let mut norms = vec!["bert.embeddings.LayerNorm".to_string()];
    let mut linears = vec![("bert.pooler.dense".to_string(), h, h)];
    for n in 0..LAYERS {
        let at = format!("bert.encoder.layer.{n}");
        for name in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"] {
            linears.push((format!("{at}.{name}"), h, h));
        }
        linears.push((format!("{at}.intermediate.dense"), 2 * h, h));
        linears.push((format!("{at}.output.dense"), h, 2 * h));
        norms.extend([format!("{at}.attention.output.LayerNorm"), format!("{at}.output.LayerNorm")]);
    }
    for (name, outputs, inputs) in linears {
        put(format!("{name}.weight"), &[outputs, inputs]);
        put(format!("{name}.bias"), &[outputs]);
    }
    for name in norms {
        put(format!("{name}.weight"), &[h]);
        put(format!("{name}.bias"), &[h]);
    }
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
}
