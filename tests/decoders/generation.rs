//! Generated tokens, greedy and by beam search, against transformers' `generate`.

use super::{Fixture, MODELS, whole};
use autolora::model::Pass;
use autolora::model::generate::{Decoding, Generator, Method};

const NEW: usize = 12;

/// What we generate after every text of a fixture.
fn generate(fixture: &Fixture, method: Method, no_repeat_ngram_size: usize) -> Vec<Vec<u32>> {
    let pass = Pass { weights: &fixture.weights, scales: &fixture.scales, alpha: None, dropout: None };
    let eos_token_ids = whole(&fixture.tensors["eos"]);
    let how = Decoding { method, max_new_tokens: NEW, no_repeat_ngram_size, eos_token_ids };
    let generator = Generator { decoder: &fixture.model, pass: &pass };
    generator.generate(&fixture.texts, &how, &|_| false).unwrap()
}

/// Rows of `generate`, without the end of text and the padding behind it.
fn expected(fixture: &Fixture, name: &str) -> Vec<Vec<u32>> {
    let eos = whole(&fixture.tensors["eos"])[0];
    let rows = whole(&fixture.tensors[name]);
    rows.chunks(NEW).map(|row| row.iter().copied().take_while(|&token| token != eos).collect()).collect()
}

#[test]
fn greedy_tokens_of_every_family_are_those_of_transformers() {
    for name in MODELS {
        let fixture = Fixture::load(name);
        let expected = expected(&fixture, "greedy");
        assert!(expected[0].len() < NEW, "{name}: the fixture has no text that ends");
        assert_eq!(generate(&fixture, Method::Greedy, 0), expected, "{name}");
    }
}

#[test]
fn beams_of_every_family_are_those_of_transformers() {
    for name in MODELS {
        let fixture = Fixture::load(name);
        let beams = Method::Beam { num_beams: 4, length_penalty: 0.8, early_stopping: false };
        assert_eq!(generate(&fixture, beams, 3), expected(&fixture, "beam"), "{name}");
    }
}

#[test]
fn one_beam_is_greedy_and_a_stop_ends_a_text() {
    let fixture = Fixture::load("llama");
    let greedy = expected(&fixture, "greedy");
    let one = Method::Beam { num_beams: 1, length_penalty: 1.0, early_stopping: false };
    assert_eq!(generate(&fixture, one, 0), greedy);
    let pass = Pass { weights: &fixture.weights, scales: &fixture.scales, alpha: None, dropout: None };
    let generator = Generator { decoder: &fixture.model, pass: &pass };
    let how = Decoding::greedy(NEW, Vec::new());
    let cut = generator.generate(&fixture.texts, &how, &|new| new.len() == 2).unwrap();
    for (cut, greedy) in cut.iter().zip(&greedy) {
        let both = greedy.len().min(2);
        assert_eq!((cut.len(), &cut[..both]), (2, &greedy[..both]));
    }
    let fraction = Decoding { method: Method::Sample { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 3 }, ..how };
    let drawn = generator.generate(&fixture.texts, &fraction, &|_| false).unwrap();
    assert_eq!(drawn, generator.generate(&fixture.texts, &fraction, &|_| false).unwrap());
    assert_ne!(drawn, cut);
    assert!(generator.generate(&[Vec::new()], &fraction, &|_| false).is_err());
}
