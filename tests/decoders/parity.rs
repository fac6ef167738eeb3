//! Logits and gradients of LoRA factors, with padding on the left, with a cache, and packed.

use super::{CPU, Fixture, MODELS, difference, flat};
use autolora::model::decoder::{Cache, Tokens};
use autolora::model::{Pass, Weights};
use autolora::train::gradient::{gradients, track};
use candle_core::Tensor;

/// Largest difference over largest reference.
const TOLERANCE: f64 = 1e-4;
/// Tokens of a text before those that the loss counts.
const FROM: usize = 3;

fn pass<'a>(weights: &'a Weights, scales: &'a [f64]) -> Pass<'a> {
    Pass { weights, scales, alpha: None, dropout: None }
}

/// Logits of the texts alone, text by text, out of a padded batch (rows, length, vocabulary).
fn of_texts(logits: &Tensor, lengths: &[usize]) -> Vec<f32> {
    let (_, length, _) = logits.dims3().unwrap();
    let rows = lengths.iter().enumerate();
    rows.flat_map(|(row, n)| flat(&logits.get(row).unwrap().narrow(0, length - n, *n).unwrap())).collect()
}

#[test]
fn logits_of_every_family_are_those_of_transformers() {
    for name in MODELS {
        let fixture = Fixture::load(name);
        let pass = pass(&fixture.weights, &fixture.scales);
        let lengths: Vec<usize> = fixture.texts.iter().map(Vec::len).collect();
        let states = fixture.model.states(&fixture.tokens(), &pass, None).unwrap();
        let ours = of_texts(&fixture.model.logits(&states).unwrap(), &lengths);
        let theirs = of_texts(&fixture.tensors["logits"], &lengths);
        let found = difference(&ours, &theirs);
        assert!(found <= TOLERANCE, "{name}: logits differ by {found:.1e}");
    }
}

#[test]
fn logits_with_a_cache_are_those_of_the_whole_text() {
    for name in MODELS {
        let fixture = Fixture::load(name);
        let pass = pass(&fixture.weights, &fixture.scales);
        // All but the last three tokens at once, these one by one; every row has its own padding.
        let texts = &fixture.texts;
        let begun: Vec<&[u32]> = texts.iter().map(|text| &text[..text.len() - 3]).collect();
        let mut tokens = Tokens::padded(&begun, 0, &CPU).unwrap();
        let mut cache = Cache::new(fixture.model.config.layers.len());
        fixture.model.states(&tokens, &pass, Some(&mut cache)).unwrap();
        let whole = Tokens::padded(texts, 0, &CPU).unwrap();
        let whole = fixture.model.logits(&fixture.model.states(&whole, &pass, None).unwrap()).unwrap();
        let length = whole.dim(1).unwrap();
        for left in (1..=3).rev() {
            let next: Vec<u32> = texts.iter().map(|text| text[text.len() - left]).collect();
            tokens = tokens.next(&next).unwrap();
            let states = fixture.model.states(&tokens, &pass, Some(&mut cache)).unwrap();
            let ours = flat(&fixture.model.logits(&states).unwrap());
            let found = difference(&ours, &flat(&whole.narrow(1, length - left, 1).unwrap()));
            assert!(found <= 1e-5, "{name}: logits with a cache differ by {found:.1e}");
        }
    }
}

/// The loss of all texts and its gradients: `places` of (row, length, text, place in the text).
fn check_loss(name: &str, fixture: &Fixture, tokens: &Tokens, place: impl Fn(usize, usize) -> u32) {
    let tracked = track(&fixture.weights).unwrap();
    let states = fixture.model.states(tokens, &pass(&tracked, &fixture.scales), None).unwrap();
    let (mut places, mut targets) = (Vec::new(), Vec::new());
    for (text, ids) in fixture.texts.iter().enumerate() {
        for (at, &id) in ids.iter().enumerate().skip(FROM) {
            places.push(place(text, at - 1));
            targets.push(id);
        }
    }
    let loss = (fixture.model.loss(&states, &places, &targets, 0.0).unwrap() / targets.len() as f64).unwrap();
    let found = difference(&flat(&loss), &flat(&fixture.tensors["loss"]));
    assert!(found <= 1e-5, "{name}: the loss differs by {found:.1e}");
    let theirs = flat(&fixture.tensors["gradient"]);
    let mut at = 0;
    for (tensor, ours) in gradients(&loss, &tracked, None).unwrap().0 {
        let ours = flat(&ours);
        let found = difference(&ours, &theirs[at..at + ours.len()]);
        assert!(found <= TOLERANCE, "{name}: the gradient of {tensor} differs by {found:.1e}");
        at += ours.len();
    }
}

#[test]
fn gradients_of_every_family_are_those_of_pytorch() {
    for name in MODELS {
        let fixture = Fixture::load(name);
        let length = fixture.texts.iter().map(Vec::len).max().unwrap();
        let place = |text: usize, at: usize| (text * length + length - fixture.texts[text].len() + at) as u32;
        check_loss(name, &fixture, &fixture.tokens(), place);
    }
}

#[test]
fn texts_packed_into_one_row_do_not_see_each_other() {
    for name in MODELS {
        let fixture = Fixture::load(name);
        // The first text and the third in one row, the second in another, with padding at its end.
        let lengths: Vec<usize> = fixture.texts.iter().map(Vec::len).collect();
        let length = lengths[0] + lengths[2];
        let mut ids = [fixture.texts[0].clone(), fixture.texts[2].clone(), fixture.texts[1].clone()].concat();
        ids.resize(2 * length, 0);
        let tokens = Tokens::packed(ids, &[vec![lengths[0], lengths[2]], vec![lengths[1]]], length, &CPU).unwrap();
        let starts = [0, length, lengths[0]];
        check_loss(name, &fixture, &tokens, |text, at| (starts[text] + at) as u32);
    }
}
