//! The registry and the reading of presets and `--set` arguments.

use autolora::experiment::{
    Budget, Experiment, Kind, Place, Problem, Rule, SETTINGS, Source, diff, parse, resolved_toml, setting, value_of,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use toml::Value;

/// A preset that is right, to start from.
const DEMO: &str = "[data]\nid = \"builtin:demo\"\n";

fn source(text: &str) -> Source {
    Source { name: "test.toml".into(), text: text.into(), folder: Some("/presets".into()) }
}

fn read(text: &str, sets: &[&str]) -> Result<Experiment, Vec<Problem>> {
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    parse(&source(text), &sets).map_err(|problems| problems.list().to_vec())
}

fn keys(result: Result<Experiment, Vec<Problem>>) -> Vec<String> {
    result.err().into_iter().flatten().map(|problem| problem.key).collect()
}

/// The dotted keys of a table's leaves.
fn leaves(prefix: &str, table: &toml::Table, into: &mut BTreeSet<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => leaves(&key, inner, into),
            _ => assert!(into.insert(key)),
        }
    }
}

/// Values that fit a kind.
fn fitting(kind: Kind) -> BoxedStrategy<Value> {
    match kind {
        Kind::Int { min, max } => (min..=max).prop_map(Value::Integer).boxed(),
        Kind::Float { min, max, exclusive } => {
            let low = if exclusive { f64::from_bits(min.to_bits() + 1) } else { min };
            (low..=max).prop_map(Value::Float).boxed()
        }
        Kind::Bool => any::<bool>().prop_map(Value::Boolean).boxed(),
        Kind::Text => "[a-z\"'\\\\\n é]{0,12}x".prop_map(Value::String).boxed(),
        Kind::Path => "/[a-z \"]{1,12}".prop_map(|path| Value::String(format!("{path}x"))).boxed(),
        Kind::Choice(names) => prop::sample::select(names).prop_map(|name| Value::String(name.into())).boxed(),
        Kind::Texts => prop::collection::vec("[a-z]{1,5}", 1..4).prop_map(Value::from).boxed(),
        Kind::Betas => (0.0..1.0f64, 0.0..1.0f64).prop_map(|(a, b)| Value::from(vec![a, b])).boxed(),
        Kind::Ints { min, max } => prop::collection::vec(min..=max, 0..4).prop_map(Value::from).boxed(),
        Kind::IntOrFloat { .. } => {
            prop_oneof![(1..1_000_000i64).prop_map(Value::Integer), (0.5..100.0f64).prop_map(Value::Float)].boxed()
        }
    }
}

/// Some settings with values that fit them.
fn some_settings() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    prop::sample::subsequence(SETTINGS.iter().collect::<Vec<_>>(), 0..SETTINGS.len()).prop_flat_map(|chosen| {
        chosen.into_iter().map(|s| fitting(s.kind).prop_map(move |v| (s.key, v))).collect::<Vec<_>>()
    })
}

#[test]
fn the_registry_lists_the_fields_of_an_experiment() {
    let table = toml::Table::try_from(Experiment::default()).expect("serialises");
    let mut fields = BTreeSet::new();
    leaves("", &table, &mut fields);
    let with_default = SETTINGS.iter().filter(|s| (s.default)().is_some()).map(|s| s.key.to_string());
    assert_eq!(fields, with_default.collect());
    assert_eq!(SETTINGS.iter().map(|s| s.key).collect::<BTreeSet<_>>().len(), SETTINGS.len());
}

#[test]
fn every_default_fits_its_kind_and_is_the_field_s() {
    let table = toml::Table::try_from(Experiment::default()).expect("serialises");
    for setting in SETTINGS {
        let Some(default) = (setting.default)() else { continue };
        assert_eq!(setting.kind.fit(&default).as_ref(), Ok(&default), "{}", setting.key);
        let field = setting.key.split('.').try_fold(&Value::Table(table.clone()), |at, name| at.get(name)).cloned();
        assert_eq!(field, Some(default), "{}", setting.key);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every setting reaches its field: set it, and it comes back from the resolved text.
    #[test]
    fn every_setting_round_trips(settings in some_settings()) {
        let mut table = toml::Table::new();
        for (key, value) in &settings {
            insert(&mut table, key, value.clone());
        }
        let experiment: Experiment = table.try_into().expect("the kind fits the field");
        let text = resolved_toml(&experiment);
        prop_assert_eq!(&toml::from_str::<Experiment>(&text).expect("reads back"), &experiment);
        for (key, value) in &settings {
            prop_assert_eq!(value_of(&experiment, key), Some(value.clone()), "{}", key);
        }
    }

    /// No text whatever makes the reader panic, and what it accepts it resolves.
    #[test]
    fn any_text_is_read_or_complained_about(text in r#"(\[|\]|=|"|\n|[a-z.]{1,6}|search|lr|data|1e400|[0-9]|#|é|\\|\{|,){0,40}"#) {
        match read(&text, &[]) {
            Ok(experiment) => prop_assert_eq!(toml::from_str::<Experiment>(&resolved_toml(&experiment)).ok(), Some(experiment)),
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }
}

fn insert(table: &mut toml::Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => drop(table.insert(key.into(), value)),
        Some((group, rest)) => {
            let inner = table.entry(group).or_insert_with(|| Value::Table(toml::Table::new()));
            insert(inner.as_table_mut().expect("a table"), rest, value);
        }
    }
}

#[test]
fn an_argument_needs_no_quotes() {
    let sets =
        ["model.id=foo/bar", "data.train=/x/y.tsv", "data.text=4", "lora.targets=query,value", "search.weights.lr=1"];
    let experiment = read("", &sets).expect("valid");
    assert_eq!(experiment.model.id, "foo/bar");
    assert_eq!(experiment.data.train.as_deref(), Some(Path::new("/x/y.tsv")));
    assert_eq!(experiment.data.text.as_deref(), Some("4"));
    assert_eq!(experiment.lora.targets.as_ref().unwrap().as_slice(), ["query", "value"]);
    assert_eq!(experiment.search.weights.lr, 1.0);
    let listed = read(DEMO, &[r#"lora.targets=["query","value"]"#]).expect("valid");
    assert_eq!(listed.lora.targets, experiment.lora.targets);
}

#[test]
fn later_arguments_win_and_an_empty_one_unsets() {
    let preset = format!("{DEMO}[lora]\nrank = 4\n[search]\nsteps = 7\n");
    let experiment = read(&preset, &["lora.rank=5", "lora.rank=6", "search.steps="]).expect("valid");
    assert_eq!((experiment.lora.rank, experiment.search.steps), (6, None));
    assert_eq!(keys(read(DEMO, &["lora.rank="])), ["lora.rank"]);
}

#[test]
fn an_argument_unsets_what_it_excludes_in_the_preset() {
    let experiment = read(DEMO, &["data.train=/t.tsv"]).expect("valid");
    assert_eq!((experiment.data.id, experiment.data.train.as_deref()), (None, Some(Path::new("/t.tsv"))));
    assert_eq!(keys(read("", &["data.train=/t.tsv", "data.id=builtin:demo"])), ["data.train"]);
    let steps = format!("{DEMO}[search]\nsteps = 7\n");
    assert_eq!(read(&steps, &["search.epochs=2"]).expect("valid").search.steps, None);
    let budget = format!("{DEMO}[allocation]\nrule = \"budget\"\nbudget = 4.0\n");
    let allocation = read(&budget, &["allocation.rule=energy"]).expect("valid").allocation;
    assert_eq!((allocation.rule, allocation.budget), (Rule::Energy, None));
    assert_eq!(
        read(&budget, &["allocation.rule=budget"]).expect("valid").allocation.budget,
        Some(Budget::MeanRank(4.0))
    );
}

#[test]
fn a_whole_number_and_a_decimal_budget_stay_apart() {
    let budget =
        |said: &str| read(DEMO, &["allocation.rule=budget", said]).expect("valid").allocation.budget.expect("said");
    assert_eq!(budget("allocation.budget=4"), Budget::Parameters(4));
    assert_eq!(budget("allocation.budget=4.0"), Budget::MeanRank(4.0));
}

#[test]
fn paths_start_at_the_preset_or_at_the_working_directory() {
    let preset = "[data]\ntrain = \"sub/train.tsv\"\ntest = \"/abs/test.tsv\"\n";
    let data = read(preset, &["data.validation=v.tsv"]).expect("valid").data;
    assert_eq!(data.train.as_deref(), Some(Path::new("/presets/sub/train.tsv")));
    assert_eq!(data.test.as_deref(), Some(Path::new("/abs/test.tsv")));
    let working = std::env::current_dir().expect("a working directory");
    assert_eq!(data.validation, Some(working.join("v.tsv")));
    assert_eq!(read(DEMO, &["model.id=./src"]).expect("valid").model.id, working.join("src").to_str().expect("UTF-8"));
}

#[test]
fn every_problem_is_found_at_once_with_its_place() {
    let text = "[model]\nid = 3\n[serch]\nsteps = 4\n[search]\nselection = \"sofmax\"\nepochs = -1\n";
    let problems = read(text, &["lora.rnk=8", "lora.alpha"]).expect_err("wrong");
    let found: Vec<_> = problems.iter().map(|p| (p.key.as_str(), p.line())).collect();
    let expected = [
        ("model.id", Some(2)),
        ("serch", Some(3)),
        ("search.selection", Some(6)),
        ("search.epochs", Some(7)),
        ("lora.rnk", None),
        ("", None),
        ("data.train", None),
    ];
    assert_eq!(found, expected);
    assert_eq!(problems[4].place, Place::Set("lora.rnk=8".into()));
    assert!(problems[4].help.as_ref().is_some_and(|help| help.contains("lora.rank")), "{:?}", problems[4].help);
}

#[test]
fn a_name_without_its_table_finds_every_table_that_has_it() {
    let problems = read(DEMO, &["lr=1e-3"]).expect_err("wrong");
    let help = "did you mean search.weights.lr or search.selection_optimizer.lr or retrain.lr?";
    assert_eq!(problems[0].help.as_deref(), Some(help));
}

#[test]
fn a_problem_of_one_setting_is_not_blamed_on_another() {
    let text = format!("{DEMO}[search]\nselection = \"sigmod\"\n[allocation]\nrule = \"sigmoid\"\n");
    assert_eq!(keys(read(&text, &[])), ["search.selection"]);
}

#[test]
fn the_resolved_text_is_a_preset_that_reads_back_equal() {
    let sets =
        ["search.steps=12", "lora.dropout=0.1", "allocation.rule=budget", "allocation.budget=3.5", "data.text=a\tb"];
    let experiment = read(DEMO, &sets).expect("valid");
    let text = resolved_toml(&experiment);
    assert_eq!(read(&text, &[]), Ok(experiment));
    assert!(SETTINGS.iter().all(|setting| text.contains(setting.name())));
}

#[test]
fn diff_names_what_differs() {
    let (a, b) = (read(DEMO, &[]).expect("valid"), read(DEMO, &["lora.rank=4", "search.steps=9"]).expect("valid"));
    let expected = [("lora.rank", "8".into(), "4".into()), ("search.steps", "unset".into(), "9".into())];
    assert_eq!(diff(&a, &b), expected);
    assert_eq!(diff(&a, &a), []);
}

#[test]
fn settings_are_found_by_key() {
    assert_eq!(setting("search.weights.lr").map(|s| (s.group(), s.name())), Some(("search.weights", "lr")));
    assert!(setting("search.weights").is_none());
}

#[test]
fn depth_and_length_do_not_exhaust_the_stack_or_patience() {
    let deep = 100_000;
    let texts = [
        format!("[lora]\ntargets = {}", "[".repeat(deep)),
        format!("a = {}", "{b=".repeat(deep)),
        format!("{}x = 1", "a.".repeat(deep)),
        format!("[{}]", vec!["a"; deep].join(".")),
        format!("[lora]\nrank = {}", "9".repeat(deep)),
        "x = 1\n".repeat(20_000),
    ];
    let began = std::time::Instant::now();
    for text in &texts {
        assert!(read(text, &[]).is_err());
    }
    assert!(read(DEMO, &[&format!("lora.targets={}", "[".repeat(deep))]).is_err());
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}
