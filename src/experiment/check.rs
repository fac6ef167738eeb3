//! Settings that are each right on their own but do not go together.

use super::catalogue::{self, CatalogueEntry, DataPlace};
use super::encoders::ENCODERS;
use super::kind::seen;
use super::nearest::nearest;
use super::parse::Complaint;
use super::setting::Choice;
use super::{BUILTIN_DEMO, BUILTIN_GENERATION, Experiment, MetricKind, Rule, SelectionKind, Task, Texts};

/// Every complaint about the whole: what excludes or needs what (method.md, "From selection values to ranks").
pub fn check(experiment: &Experiment) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    data(experiment, &mut complaints);
    targets(experiment, &mut complaints);
    allocation(experiment, &mut complaints);
    device(experiment, &mut complaints);
    complaints
}

fn complain(list: &mut Vec<Complaint>, keys: &[&'static str], message: impl Into<String>, help: Option<String>) {
    list.push(Complaint { keys: keys.to_vec(), message: message.into(), help });
}

fn data(experiment: &Experiment, list: &mut Vec<Complaint>) {
    let data = &experiment.data;
    let paths = [("data.train", &data.train), ("data.validation", &data.validation), ("data.test", &data.test)];
    let given = paths.iter().filter(|(_, path)| path.is_some()).map(|(key, _)| *key);
    match (&data.id, &data.train) {
        (None, None) => {
            let keys: Vec<_> = ["data.train", "data.id"].into_iter().chain(given).collect();
            let help = format!("data.id = \"{BUILTIN_DEMO}\" is the embedded dataset");
            complain(list, &keys, "or data.id is needed: there is nothing to train on", Some(help));
        }
        (Some(_), _) => {
            for key in given {
                let help = Some("keep the dataset of the catalogue, or your own files".to_string());
                complain(list, &[key, "data.id"], "and data.id exclude each other", help);
            }
        }
        _ => {}
    }
    dataset(experiment, list);
    model(experiment, list);
    if data.task == Task::Generation && experiment.baseline.head_only {
        let message = "needs a head, and a model that writes has none";
        complain(list, &["baseline.head_only", "data.task"], message, Some("leave it out".into()));
    }
    if data.task == Task::Regression && experiment.retrain.label_smoothing > 0.0 {
        let message = "spreads the weight of a label, and a regression has none";
        complain(list, &["retrain.label_smoothing", "data.task"], message, Some("leave it out".into()));
    }
    if data.stratify && data.task != Task::Classification {
        complain(list, &["data.stratify", "data.task"], format!("needs classes, and a {} has none", data.task), None);
    }
    if data.stratify && !data.shuffle {
        complain(list, &["data.stratify", "data.shuffle"], "needs data.shuffle: else rows stay in file order", None);
    }
    if matches!(data.task, Task::Tagging | Task::Generation) && data.text_pair.is_some() {
        let message = format!("does not go with {}, which has one text", data.task);
        complain(list, &["data.text_pair", "data.task"], message, None);
    }
    let figures = MetricKind::of(data.task);
    let metric = experiment.evaluate.metric;
    if metric != MetricKind::Auto && !figures.is_empty() && !figures.contains(&metric) {
        let names: Vec<_> = figures.iter().map(Choice::name).collect();
        let message = format!("{metric} is no figure of task {}", data.task);
        let help = Some(format!("auto, or one of {}", names.join(", ")));
        complain(list, &["evaluate.metric", "data.task"], message, help);
    }
    if data.quote.as_deref().is_some_and(|quote| quote.len() != 1) {
        let help = Some("leave it out for a TSV without quoting".to_string());
        complain(list, &["data.quote"], "must be one ASCII character, such as \"", help);
    }
    let (text, pair) = (data.text.as_deref(), data.text_pair.as_deref());
    for (key, column, other, taken) in [
        ("data.label", data.label.as_deref(), "data.text", text),
        ("data.text_pair", pair, "data.text", text),
        ("data.text_pair", pair, "data.label", data.label.as_deref()),
    ] {
        if column.is_some() && column == taken {
            complain(list, &[key, other], format!("names the same column as {other}"), None);
        }
    }
    let builtin = [BUILTIN_DEMO, BUILTIN_GENERATION];
    if experiment.model.id.starts_with("builtin:") && !builtin.contains(&experiment.model.id.as_str()) {
        let help = nearest(&experiment.model.id, builtin).map(|id| format!("did you mean {id}?"));
        complain(list, &["model.id"], "is no embedded model", help);
    }
}

/// `data.id`, and what goes with it alone.
/// Of a model of the list it is known whether it writes; of another its files tell.
fn model(experiment: &Experiment, list: &mut Vec<Complaint>) {
    let (id, task) = (&experiment.model.id, experiment.data.task);
    let Some(known) = ENCODERS.iter().find(|known| known.id == id) else { return };
    let (message, instead) = match (known.writes(), task == Task::Generation) {
        (false, true) => ("is an encoder, which does not write, and generation needs a decoder", BUILTIN_GENERATION),
        (true, false) => {
            ("is a decoder, whose task is generation, and classes, numbers and tags need an encoder", BUILTIN_DEMO)
        }
        _ => return,
    };
    let help = format!("e.g. model.id = \"{instead}\", which is inside the program");
    complain(list, &["model.id", "data.task"], message, Some(help));
}

fn dataset(experiment: &Experiment, list: &mut Vec<Complaint>) {
    let data = &experiment.data;
    let of_hub = [
        ("data.config", &data.config),
        ("data.revision", &data.revision),
        ("data.train_split", &data.train_split),
        ("data.validation_split", &data.validation_split),
        ("data.test_split", &data.test_split),
    ];
    let entry = data.id.as_deref().map(|id| (id, catalogue::dataset(id)));
    if !matches!(entry, Some((_, Some(CatalogueEntry { place: DataPlace::Hub { .. }, .. }) | None))) {
        for (key, _) in of_hub.into_iter().filter(|(_, value)| value.is_some()) {
            complain(list, &[key], "goes with a dataset of the hub alone", Some("leave it out".into()));
        }
    }
    match entry {
        Some((id, Some(entry))) if entry.task != data.task => {
            let message = format!("is {}, where {id} needs {}", data.task, entry.task);
            let help = Some(format!("write data.task = \"{}\"", entry.task));
            complain(list, &["data.task", "data.id"], message, help);
        }
        Some((id, None)) if !catalogue::may_be_of_hub(id) => {
            let known = nearest(id, catalogue::CATALOGUE.iter().map(|entry| entry.id));
            let help =
                known.map_or("`autolora datasets` lists the catalogue".into(), |id| format!("did you mean \"{id}\"?"));
            let message = "is neither a dataset of the catalogue nor owner/name of one of the hub";
            complain(list, &["data.id"], message, Some(help));
        }
        _ => {}
    }
}

fn targets(experiment: &Experiment, list: &mut Vec<Complaint>) {
    let targets = experiment.lora.targets.as_ref().map_or(&[][..], Texts::as_slice);
    let key = &["lora.targets"];
    if targets.len() > 1 && targets.iter().any(|target| target == "all-linear") {
        complain(list, key, "has all-linear beside other names, which it includes", None);
    }
    if let Some(twice) = (1..targets.len()).find(|&i| targets[..i].contains(&targets[i])) {
        complain(list, key, format!("names {} twice", seen(&targets[twice].as_str().into())), None);
    }
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if let Some(wrong) = targets.iter().find(|target| !is_name(target)) {
        let names: Vec<_> = wrong.split([',', ' ']).filter(|name| !name.is_empty()).collect();
        let help = (names.len() > 1 && names.iter().all(|name| is_name(name))).then(|| format!("write {names:?}"));
        let message =
            format!("has {}, where a module's name has letters, digits, _, - and dots", seen(&wrong.as_str().into()));
        complain(list, key, message, help);
    }
}

/// The selections that a rule goes with.
/// The rules that go with a way of selection (method.md, "From selection values to ranks").
pub fn rules_for(selection: SelectionKind) -> Vec<Rule> {
    let rules = [Rule::Threshold, Rule::Mean, Rule::Sigmoid, Rule::Energy, Rule::Budget];
    rules.into_iter().filter(|rule| selections_of(*rule).contains(&selection)).collect()
}

fn selections_of(rule: Rule) -> &'static [SelectionKind] {
    use SelectionKind::{Free, Global, Sigmoid, Softmax};
    match rule {
        Rule::Threshold => &[Softmax, Global],
        Rule::Mean => &[Free],
        Rule::Sigmoid => &[Sigmoid],
        Rule::Energy | Rule::Budget => &[Softmax, Global, Sigmoid, Free],
    }
}

fn allocation(experiment: &Experiment, list: &mut Vec<Complaint>) {
    let (rule, selection) = (experiment.allocation.rule, experiment.search.selection);
    if !selections_of(rule).contains(&selection) {
        let right: Vec<_> = selections_of(rule).iter().map(Choice::name).collect();
        let fitting: Vec<_> = rules_for(selection).iter().map(Choice::name).collect();
        let message = format!("{rule} does not go with search.selection {selection}");
        let help = format!(
            "with rule {rule}: selection {}; with selection {selection}: rule {}",
            right.join(" or "),
            fitting.join(", "),
        );
        complain(list, &["allocation.rule", "search.selection"], message, Some(help));
    }
    match (rule, experiment.allocation.budget) {
        (Rule::Budget, None) => {
            let help = "a whole number is parameters of A and B, a decimal the mean rank: budget = 4.0";
            complain(list, &["allocation.budget", "allocation.rule"], "is needed by rule budget", Some(help.into()));
        }
        (Rule::Budget, Some(_)) | (_, None) => {}
        (_, Some(_)) => {
            let help = Some("set allocation.rule = \"budget\", or leave the budget out".to_string());
            let message = format!("is for rule budget alone; the rule is {rule}");
            complain(list, &["allocation.budget", "allocation.rule"], message, help);
        }
    }
}

fn device(experiment: &Experiment, list: &mut Vec<Complaint>) {
    let device = experiment.runtime.device.as_str();
    let several =
        device.contains(',') || device.strip_prefix("cuda:").is_some_and(|rest| rest.contains('-') || rest == "all");
    if several {
        let help = "start one run on each device; a model that does not fit on one is helped by runtime.precision, \
                    runtime.micro_batch and runtime.checkpoint_activations";
        complain(list, &["runtime.device"], "must be one device: a run does not use several GPUs", Some(help.into()));
        return;
    }
    let numbered = device.strip_prefix("cuda:").is_some_and(|ordinal| ordinal.parse::<u16>().is_ok());
    if !numbered && !["auto", "cpu", "cuda"].contains(&device) {
        let help =
            super::nearest::nearest(device, ["auto", "cpu", "cuda", "cuda:0"]).map(|d| format!("did you mean {d}?"));
        complain(list, &["runtime.device"], "must be auto, cpu, cuda or cuda:N", help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Budget, Texts};

    fn demo() -> Experiment {
        let mut experiment = Experiment::default();
        experiment.data.id = Some(BUILTIN_DEMO.into());
        experiment
    }

    /// The first keys of the complaints.
    fn keys(experiment: &Experiment) -> Vec<&'static str> {
        check(experiment).iter().map(|complaint| complaint.keys[0]).collect()
    }

    #[test]
    fn a_model_of_the_list_goes_with_its_tasks() {
        for known in ENCODERS {
            for task in [Task::Classification, Task::Generation] {
                let mut experiment = demo();
                (experiment.model.id, experiment.data.task) = (known.id.into(), task);
                let is_wrong = keys(&experiment).contains(&"model.id");
                assert_eq!(is_wrong, known.writes() != (task == Task::Generation), "{} for {task}", known.id);
            }
        }
    }

    #[test]
    fn the_table_of_rules_and_selections_is_that_of_the_method() {
        use Rule::*;
        use SelectionKind as S;
        let together = [(Threshold, S::Softmax), (Threshold, S::Global), (Mean, S::Free), (Sigmoid, S::Sigmoid)];
        for rule in [Threshold, Mean, Sigmoid, Energy, Budget] {
            for selection in [S::Softmax, S::Global, S::Sigmoid, S::Free] {
                let mut experiment = demo();
                experiment.allocation.rule = rule;
                experiment.search.selection = selection;
                if rule == Budget {
                    experiment.allocation.budget = Some(crate::experiment::Budget::MeanRank(4.0));
                }
                let right = matches!(rule, Energy | Budget) || together.contains(&(rule, selection));
                let expected: &[&str] = if right { &[] } else { &["allocation.rule"] };
                assert_eq!(keys(&experiment), expected, "{rule} with {selection}");
            }
        }
    }

    #[test]
    fn the_budget_and_its_rule_need_each_other() {
        let mut experiment = demo();
        experiment.allocation.rule = Rule::Budget;
        assert_eq!(keys(&experiment), ["allocation.budget"]);
        experiment.allocation.budget = Some(Budget::Parameters(1000));
        assert_eq!(keys(&experiment), [""; 0]);
        experiment.allocation.rule = Rule::Energy;
        assert_eq!(keys(&experiment), ["allocation.budget"]);
    }

    #[test]
    fn data_is_a_dataset_or_files() {
        let mut experiment = Experiment::default();
        assert_eq!(keys(&experiment), ["data.train"]);
        experiment.data.test = Some("test.tsv".into());
        assert_eq!(check(&experiment)[0].keys, ["data.train", "data.id", "data.test"]);
        experiment.data.train = Some("train.tsv".into());
        assert_eq!(keys(&experiment), [""; 0]);
        experiment.data.id = Some(BUILTIN_DEMO.into());
        assert_eq!(keys(&experiment), ["data.train", "data.test"]);
    }

    #[test]
    fn devices_are_named_as_candle_counts_them() {
        let mut experiment = demo();
        for right in ["auto", "cpu", "cuda", "cuda:0", "cuda:3"] {
            experiment.runtime.device = right.into();
            assert_eq!(keys(&experiment), [""; 0], "{right}");
        }
        for several in ["cuda:0,1", "cuda:0,cuda:1", "cuda:0-3", "cuda:all"] {
            experiment.runtime.device = several.into();
            let complaints = check(&experiment);
            assert!(complaints[0].message.contains("several GPUs"), "{several}: {complaints:?}");
        }
        for wrong in ["gpu", "cuda:", "cuda:x", "CPU"] {
            experiment.runtime.device = wrong.into();
            assert_eq!(keys(&experiment), ["runtime.device"], "{wrong}");
        }
    }

    #[test]
    fn columns_and_targets_are_not_named_twice() {
        let mut experiment = demo();
        (experiment.data.text, experiment.data.label) = (Some("text".into()), Some("text".into()));
        experiment.lora.targets = Some(Texts::Many(vec!["query".into(), "query".into()]));
        experiment.data.quote = Some("''".into());
        assert_eq!(keys(&experiment), ["data.quote", "data.label", "lora.targets"]);
    }
}
