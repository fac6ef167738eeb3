//! The registry: every setting, once. Everything that knows settings by name reads this table.

use super::setting::LARGEST_BUDGET;
use super::setting::{Budget, Choice, Kind, Texts, choice, settings};
use std::path::PathBuf;

choice! {
    /// What the labels are.
    Task { Classification = "classification", Regression = "regression", Tagging = "tagging", Generation = "generation" }
}
choice! {
    /// The tokens of a text that the loss counts.
    LossOn {
        /// Those of replies, with the end of text.
        Reply = "reply",
        All = "all",
    }
}
choice! {
    /// How a data file is laid out.
    FileFormat {
        /// RFC 4180.
        Csv = "csv",
        /// Tabs between the columns.
        Tsv = "tsv",
        /// One JSON object a line.
        JsonLines = "jsonl",
        /// As on the Hugging Face hub.
        Parquet = "parquet",
        /// A word and its tag a line, an empty line between sentences.
        Conll = "conll",
        /// WebNLG's XML: triples and the texts that tell them.
        WebNlg = "webnlg",
    }
}
choice! {
    /// How the selection variables' gradient is formed (method.md, "One search step").
    Hypergradient {
        /// One SGD look-ahead, mixed term around W, times eta: the paper, DARTS form.
        Unrolled = "unrolled",
        /// One optimiser look-ahead, mixed term around W', times 1: the authors' code.
        Implicit = "implicit",
        /// The direct term alone: the paper's eta = 0 ablation.
        FirstOrder = "first-order",
    }
}
choice! {
    /// How logits beta become selection values alpha.
    SelectionKind { Softmax = "softmax", Global = "global", Sigmoid = "sigmoid", Free = "free" }
}
choice! {
    /// How selection values become ranks.
    Rule { Threshold = "threshold", Mean = "mean", Sigmoid = "sigmoid", Energy = "energy", Budget = "budget" }
}
choice! {
    /// Adam with L2 in the gradient, or with decoupled decay.
    OptimizerKind { Adam = "adam", AdamW = "adamw" }
}
choice! {
    /// The scale of a retrained module.
    ScaleRule {
        /// lora_alpha / rank of the module, as PEFT and the authors do.
        AlphaOverRank = "alpha/rank",
        /// lora_alpha / k for every module, the scale of the search.
        Constant = "constant",
    }
}
choice! {
    /// Precision in which the matrices of the frozen backbone are kept. What is trained, and what is computed, is f32.
    Precision { F32 = "f32", Bf16 = "bf16", F16 = "f16" }
}
choice! {
    /// The figure that names a run's score; `auto` takes the task's usual one.
    MetricKind {
        Auto = "auto",
        Accuracy = "accuracy",
        Matthews = "matthews_correlation",
        /// Of class 1 of two; then over all classes.
        F1 = "f1",
        F1Micro = "f1_micro",
        F1Macro = "f1_macro",
        Pearson = "pearson",
        Spearman = "spearman",
        /// Of entities, as seqeval counts them; then strictly in IOB2.
        EntityPrecision = "entity_precision",
        EntityRecall = "entity_recall",
        EntityF1 = "entity_f1",
        EntityF1Strict = "entity_f1_strict",
        /// Of texts: sacreBLEU's; then the E2E challenge's.
        Bleu = "bleu",
        Chrf = "chrf",
        Ter = "ter",
        E2eBleu = "e2e_bleu",
        Nist = "nist",
        Meteor = "meteor",
        RougeL = "rouge_l",
        Cider = "cider",
        Perplexity = "perplexity",
    }
}

const POSITIVE: Kind = Kind::Float { min: 0.0, max: 1e9, exclusive: true };
const NOT_NEGATIVE: Kind = Kind::Float { min: 0.0, max: 1e9, exclusive: false };
const PROBABILITY: Kind = Kind::Float { min: 0.0, max: 0.95, exclusive: false };
const SHARE: Kind = Kind::Float { min: 0.0, max: 1.0, exclusive: false };
const COUNT: Kind = Kind::Int { min: 1, max: 1_000_000_000 };

settings! {
    /// `[model]`
    "model" => ModelSettings {
        id: String = "builtin:demo".into(), Kind::Text, "", "Hugging Face id, a local folder, or builtin:demo";
        revision: Option<String> = None, Kind::Text, "", "branch, tag or commit of a hub model";
        dropout: Option<f64> = None, PROBABILITY, "", "backbone dropout; unset: 0 in the search, the config's in retraining";
    }
    /// `[data]`
    "data" => DataSettings {
        id: Option<String> = None, Kind::Text, "", "a dataset of the catalogue (glue/cola), or owner/name of the hub; instead of paths";
        config: Option<String> = None, Kind::Text, "", "configuration of a hub dataset; unset: its only one, or default";
        revision: Option<String> = None, Kind::Text, "", "branch, tag or commit of a hub dataset; unset: where its parquet files are";
        train_split: Option<String> = None, Kind::Text, "", "split of a hub dataset to train on; unset: train";
        validation_split: Option<String> = None, Kind::Text, "", "split of a hub dataset to validate on; unset: part of the training split";
        test_split: Option<String> = None, Kind::Text, "", "split of a hub dataset that is held out; unset: the catalogue's, else test, else validation";
        train: Option<PathBuf> = None, Kind::Path, "", "training file (CSV, TSV, JSONL, parquet, CoNLL), or a folder of WebNLG's XML";
        validation: Option<PathBuf> = None, Kind::Path, "", "validation data; without it the training file is split";
        test: Option<PathBuf> = None, Kind::Path, "", "held-out file, for evaluation alone";
        task: Task = Task::Classification, Kind::Choice(Task::NAMES), "", "what the labels are; generation: text is a prompt, label how it goes on";
        text: Option<String> = None, Kind::Text, "", "column of the text, the words or the prompt (1, 2, ... without a header); unset: by its name";
        text_pair: Option<String> = None, Kind::Text, "", "column of the second text of a pair; unset: by its name, where data.text is unset too";
        label: Option<String> = None, Kind::Text, "", "column of the label, the score, the tags or the reply; unset: by its name";
        format: Option<FileFormat> = None, Kind::Choice(FileFormat::NAMES), "", "how the files are laid out; unset: by their ending, for tagging also by their look";
        header: Option<bool> = None, Kind::Bool, "", "first row names the columns; unset: yes, unless columns are given as numbers";
        quote: Option<String> = None, Kind::Text, "", "quote character of a TSV; unset: none (CSV: \")";
        max_length: usize = 128, Kind::Int { min: 4, max: 1_000_000 }, "tokens", "longer rows are cut";
        stratify: bool = false, Kind::Bool, "", "training and validation data with the classes in equal proportion (classification)";
        loss: LossOn = LossOn::Reply, Kind::Choice(LossOn::NAMES), "", "generation: the tokens that the loss counts";
        packing: bool = true, Kind::Bool, "", "generation: short texts of a batch share rows of max_length, each seeing itself alone: the same step";
        max_train_rows: Option<usize> = None, COUNT, "rows", "use only the first rows of the training file";
        max_test_rows: Option<usize> = None, COUNT, "rows", "use only the first rows of the held-out file";
        max_bad_share: f64 = 0.0, Kind::Float { min: 0.0, max: 1.0, exclusive: false }, "", "share of a file's rows that may be broken and left out";
        shuffle: bool = true, Kind::Bool, "", "false: rows in file order, batches consecutive, wrapping around";
        group_by_length: bool = true, Kind::Bool, "", "batches of rows of like length: less padding; not without data.shuffle";
    }
    /// `[lora]`
    "lora" => LoraSettings {
        targets: Option<Texts> = None, Kind::Texts, "", "linear layers by name suffix, or all-linear; unset: query and value projections";
        rank: usize = 8, Kind::Int { min: 1, max: 1024 }, "", "k: initial rank of every module";
        alpha: f64 = 16.0, POSITIVE, "", "lora_alpha; the search scales by alpha / k";
        dropout: f64 = 0.0, PROBABILITY, "", "dropout on the input of the LoRA path";
        init_from: Option<PathBuf> = None, Kind::Path, "", "PEFT adapter directory whose A, B and head the search starts from";
    }
    /// `[search]`
    "search" => SearchSettings {
        hypergradient: Hypergradient = Hypergradient::Unrolled, Kind::Choice(Hypergradient::NAMES), "", "update rule of the selection variables";
        selection: SelectionKind = SelectionKind::Softmax, Kind::Choice(SelectionKind::NAMES), "", "how logits become selection values";
        steps: Option<usize> = None, COUNT, "steps", "length of the search; unset: search.epochs";
        epochs: f64 = 3.0, POSITIVE, "epochs", "length of the search in passes over the training data, where steps is unset";
        warmup_steps: usize = 20, Kind::Int { min: 0, max: 1_000_000_000 }, "steps", "first steps of the weights alone (B starts at 0)";
        batch_size: usize = 16, Kind::Int { min: 1, max: 65_536 }, "rows", "rows of a batch, on both levels";
        validation_share: f64 = 0.5, Kind::Float { min: 0.0, max: 0.99, exclusive: true }, "", "share of the training rows that is validation data";
        epsilon: Option<f64> = None, POSITIVE, "", "size of the perturbation of the mixed term, divided by |v|; unset: 0.01, or 0.05 where a GPU multiplies in 16 bits";
        clip_norm: Option<f64> = None, POSITIVE, "", "clip the weights' gradient to this norm; unset: off";
        stop_when_stable: bool = false, Kind::Bool, "", "end the search before its last step once its ranks have settled (search.stable_steps)";
        stable_steps: usize = 100, COUNT, "steps", "ranks count as settled when none changed for so long, and no value is on its way across its threshold";
        from: Option<PathBuf> = None, Kind::Path, "", "directory of a run whose search is taken as it is, so that there is none: see autolora retrain";
        @weights: WeightsSettings;
        @selection_optimizer: SelectionOptimizerSettings;
    }
    /// `[search.weights]`: the optimiser of A, B and head in the search.
    "search.weights" => WeightsSettings {
        optimizer: OptimizerKind = OptimizerKind::AdamW, Kind::Choice(OptimizerKind::NAMES), "", "optimiser of A, B and head";
        lr: f64 = 1e-3, POSITIVE, "", "learning rate of A, B and head, constant";
        betas: [f64; 2] = [0.9, 0.999], Kind::Betas, "", "Adam's decay rates";
        weight_decay: f64 = 0.0, NOT_NEGATIVE, "", "weight decay of A, B and head";
    }
    /// `[search.selection_optimizer]`: the optimiser of the selection logits.
    "search.selection_optimizer" => SelectionOptimizerSettings {
        optimizer: OptimizerKind = OptimizerKind::AdamW, Kind::Choice(OptimizerKind::NAMES), "", "optimiser of the selection logits";
        lr: f64 = 1e-2, POSITIVE, "", "learning rate of the selection logits, constant";
        betas: [f64; 2] = [0.9, 0.999], Kind::Betas, "", "Adam's decay rates";
        weight_decay: f64 = 0.0, NOT_NEGATIVE, "", "weight decay of the selection logits";
    }
    /// `[allocation]`
    "allocation" => AllocationSettings {
        rule: Rule = Rule::Threshold, Kind::Choice(Rule::NAMES), "", "how selection values become ranks";
        threshold: Option<f64> = None, SHARE, "", "unset: 1/k (threshold), 0.5 (sigmoid), 0.15 (energy)";
        budget: Option<Budget> = None, Kind::IntOrFloat { min: 0.0, max: LARGEST_BUDGET }, "", "for rule budget: parameters (integer) or mean rank (decimal)";
    }
    /// `[retrain]`
    "retrain" => RetrainSettings {
        epochs: f64 = 3.0, POSITIVE, "epochs", "passes over training and validation data together";
        batch_size: usize = 16, Kind::Int { min: 1, max: 65_536 }, "rows", "rows of a batch";
        optimizer: OptimizerKind = OptimizerKind::AdamW, Kind::Choice(OptimizerKind::NAMES), "", "optimiser of A, B and head";
        lr: f64 = 1e-3, POSITIVE, "", "peak learning rate";
        betas: [f64; 2] = [0.9, 0.999], Kind::Betas, "", "Adam's decay rates";
        weight_decay: f64 = 0.01, NOT_NEGATIVE, "", "weight decay";
        warmup_share: f64 = 0.06, Kind::Float { min: 0.0, max: 0.9, exclusive: false }, "", "share of the steps that warm up; then linear to 0";
        label_smoothing: f64 = 0.0, Kind::Float { min: 0.0, max: 0.9, exclusive: false }, "", "share of a label's weight that is spread over all labels or tokens (cross-entropy alone)";
        scale: ScaleRule = ScaleRule::AlphaOverRank, Kind::Choice(ScaleRule::NAMES), "", "scale of a module: lora_alpha / its rank, or / k";
        clip_norm: Option<f64> = None, POSITIVE, "", "clip the gradient to this norm; unset: off";
    }
    /// `[evaluate]`
    "evaluate" => EvaluateSettings {
        metric: MetricKind = MetricKind::Auto, Kind::Choice(MetricKind::NAMES), "", "the figure that is the run's score";
        batch_size: usize = 32, Kind::Int { min: 1, max: 65_536 }, "rows", "rows of a batch";
        max_new_tokens: usize = 64, Kind::Int { min: 1, max: 100_000 }, "tokens", "generation: tokens that are written at most";
        num_beams: usize = 1, Kind::Int { min: 1, max: 256 }, "", "generation: beams of the search; 1: greedy";
        length_penalty: f64 = 1.0, Kind::Float { min: -10.0, max: 10.0, exclusive: false }, "", "generation: a beam's score is divided by length to this power";
        no_repeat_ngram_size: usize = 0, Kind::Int { min: 0, max: 100 }, "tokens", "generation: no sequence of so many tokens comes twice; 0: it may";
    }
    /// `[baseline]`
    "baseline" => BaselineSettings {
        head_only: bool = false, Kind::Bool, "", "also train the head alone on the frozen model, and score it";
        head_lr: f64 = 5e-3, POSITIVE, "", "peak learning rate of the head alone";
        uniform: Option<usize> = None, Kind::Int { min: 1, max: 1024 }, "", "also retrain with this rank in every module, and score it";
    }
    /// `[runtime]`
    "runtime" => RuntimeSettings {
        device: String = "auto".into(), Kind::Text, "", "auto, cpu, or cuda:N";
        precision: Precision = Precision::F32, Kind::Choice(Precision::NAMES), "", "in which the frozen matrices are kept; what is computed and trained is f32";
        seed: u64 = 42, Kind::Int { min: 0, max: i64::MAX }, "", "of initial values, shuffles and dropout";
        micro_batch: Option<usize> = None, Kind::Int { min: 1, max: 65_536 }, "rows", "rows that are passed forward and back at once: less memory, the same step; unset: all of a batch";
        micro_tokens: Option<usize> = None, COUNT, "tokens", "tokens, padding counted, that are passed forward and back at once: as runtime.micro_batch, by length; a row at least";
        checkpoint_activations: bool = false, Kind::Bool, "", "keep the inputs of layers alone, compute the rest again going back: less memory, more time";
        threads: Option<usize> = None, Kind::Int { min: 1, max: 1024 }, "threads", "CPU threads, no more than the cores; unset: all cores";
        log_every: usize = 1, Kind::Int { min: 1, max: 1_000_000 }, "steps", "steps between events";
        checkpoint_every: f64 = 5.0, Kind::Float { min: 0.0, max: 3600.0, exclusive: true }, "s", "work between checkpoints";
        keep_checkpoints: usize = 2, Kind::Int { min: 1, max: 1000 }, "", "newest checkpoints that are kept";
    }
    /// `[notify]`
    "notify" => NotifySettings {
        command: Option<String> = None, Kind::Text, "", "command of the shell when a run's worker ends or dies; AUTOLORA_RUN, _NAME, _STATE, _DIR, _SCORE, _ERROR, and show --json on its input";
    }
}

/// What to run, all settings resolved.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Experiment {
    pub model: ModelSettings,
    pub data: DataSettings,
    pub lora: LoraSettings,
    pub search: SearchSettings,
    pub allocation: AllocationSettings,
    pub retrain: RetrainSettings,
    pub evaluate: EvaluateSettings,
    pub baseline: BaselineSettings,
    pub runtime: RuntimeSettings,
    pub notify: NotifySettings,
}
