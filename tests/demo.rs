//! The demo's committed data is what its generator makes, and its labels need more than words.

#[path = "../assets/demo/generate/grammar.rs"]
mod grammar;
#[path = "../assets/demo/generate/tokenizer.rs"]
mod tokenizer;
#[path = "../assets/demo/generate/words.rs"]
mod words;

use autolora::data::hub::Hub;
use autolora::data::sources::locate;
use autolora::data::{Dataset, Encode, Example, TextEncoder};
use autolora::experiment::DataSettings;
use std::collections::BTreeMap;

const SEED: u64 = 2024;

fn demo() -> Vec<(&'static str, Vec<Example>)> {
    let settings = DataSettings { id: Some("builtin:demo".into()), ..DataSettings::default() };
    let sources = locate(&settings, &Hub::from_env(), &mut autolora::data::hub::unwatched).unwrap();
    let dataset = Dataset::load(&settings, sources, None).unwrap();
    assert_eq!(dataset.labels.names, ["negative", "positive"]);
    vec![
        ("train", dataset.train.examples().unwrap()),
        ("validation", dataset.validation.unwrap().examples().unwrap()),
        ("test", dataset.test.unwrap().examples().unwrap()),
    ]
}

#[test]
fn the_committed_files_are_what_the_generator_makes() {
    let rows: Vec<Example> = demo().into_iter().flat_map(|(_, rows)| rows).collect();
    for (made, row) in grammar::dataset(SEED, rows.len()).iter().zip(&rows) {
        assert_eq!((&*made.0, Some(u32::from(made.1 == "positive"))), (&*row.shown_text(), row.target.class()));
    }
    let made = tokenizer::json(&grammar::vocabulary()).unwrap();
    assert_eq!(made, include_str!("../assets/demo/tokenizer.json"));
}

#[test]
fn no_word_tells_the_label() {
    let mut counts: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    let rows: Vec<Example> = demo().into_iter().flat_map(|(_, rows)| rows).collect();
    for row in &rows {
        let (text, label) = (row.shown_text(), row.target.class().unwrap());
        let mut words: Vec<&str> = text.split(' ').collect();
        words.sort_unstable();
        words.dedup();
        words.iter().for_each(|word| counts.entry(word.to_string()).or_default()[label as usize] += 1);
    }
    for (word, [negative, positive]) in counts {
        let rows = (negative + positive) as f64;
        // Four standard deviations of a fair coin.
        let most = 0.5 + 2.0 / rows.sqrt();
        assert!(negative.max(positive) as f64 / rows <= most, "{word:?}: {negative} negative, {positive} positive");
    }
}

#[test]
fn parts_share_no_sentence() {
    let parts = demo();
    let train: Vec<String> = parts[0].1.iter().chain(&parts[1].1).map(Example::shown_text).collect();
    let shared = parts[2].1.iter().filter(|row| train.contains(&row.shown_text())).count();
    assert_eq!(shared, 0);
}

#[test]
fn every_sentence_is_known_words_of_a_moderate_length() {
    let encoder = TextEncoder::new("tokenizer.json", include_bytes!("../assets/demo/tokenizer.json"), 64).unwrap();
    let corpus = grammar::corpus(SEED, 2000);
    let rows = corpus.into_iter().map(|text| Example::text(text, 0));
    let rows: Vec<Example> = rows.chain(demo().into_iter().flat_map(|(_, rows)| rows)).collect();
    let (encoded, _) = encoder.encode(&rows, 0).unwrap();
    for (row, tokens) in rows.iter().zip(&encoded) {
        // A word is a token: none falls apart, none is unknown.
        let text = row.shown_text();
        assert_eq!(tokens.ids.len(), text.split(' ').count() + 2, "{text}");
        assert!(!tokens.ids.contains(&1) && (6..=30).contains(&tokens.ids.len()), "{text}");
    }
    // The words that pretraining hides most are words of the vocabulary.
    assert!(grammar::telling_words().iter().all(|word| grammar::vocabulary().contains(word)));
    let ids = &encoder.encode(&[Example::text("Zebras ran", 0)], 0).unwrap().0[0].ids;
    assert!(ids.len() > 4 && !ids.contains(&1), "other words fall apart into letters: {ids:?}");
}
