//! What saves memory does not change what is computed: matrices in 16 bits, layers that are computed again, parts of
//! batches, packed rows.

use super::{CPU, Fixture, MODELS, difference, flat, folder};
use autolora::data::{Encoded, IGNORED, Rows, Target};
use autolora::model::checkpoint::Checkpoint;
use autolora::model::decoder::Tokens;
use autolora::model::{Dropout, DropoutRates, Keep, Network, Pass, Weights};
use autolora::train::batch::Layout;
use autolora::train::gradient::{gradients, gradients_of_parts, scalar, track, track_one};
use autolora::train::problem::Problem;
use candle_core::{DType, Tensor};
use std::collections::BTreeMap;

/// Selection values that differ by module and term.
fn alpha(modules: usize) -> Tensor {
    let values = (0..modules * 2).map(|i| 0.5 + (i as f32 * 0.7).sin() / 3.0).collect::<Vec<_>>();
    Tensor::from_vec(values, (modules, 2), &CPU).unwrap()
}

/// Logits, loss and the gradients by every factor and by the selection values.
fn computed(fixture: &Fixture, dropout: Option<Dropout>) -> (Vec<f32>, f64, Weights, Tensor) {
    let (tracked, alpha) = (track(&fixture.weights).unwrap(), track_one(&alpha(fixture.scales.len())).unwrap());
    let pass = Pass { weights: &tracked, scales: &fixture.scales, alpha: Some(&alpha), dropout };
    let tokens: Tokens = fixture.tokens();
    let states = fixture.model.states(&tokens, &pass, None).unwrap();
    let logits = fixture.model.logits(&states.detach()).unwrap();
    let length = tokens.length() as u32;
    let places: Vec<u32> = (0..fixture.texts.len() as u32).map(|row| (row + 1) * length - 2).collect();
    let targets: Vec<u32> = fixture.texts.iter().map(|text| *text.last().unwrap()).collect();
    let loss = fixture.model.loss(&states, &places, &targets, 0.0).unwrap();
    let (by_weights, by_alpha) = gradients(&loss, &tracked, Some(&alpha)).unwrap();
    (flat(&logits), f64::from(flat(&loss)[0]), by_weights, by_alpha.unwrap())
}

fn check(name: &str, ours: &Fixture, theirs: &Fixture, dropout: Option<Dropout>) {
    let (ours, theirs) = (computed(ours, dropout), computed(theirs, dropout));
    let found = difference(&ours.0, &theirs.0);
    assert!(found < 1e-5, "{name}: logits differ by {found:.1e}");
    assert!((ours.1 - theirs.1).abs() < 1e-5 * theirs.1, "{name}: {} not {}", ours.1, theirs.1);
    for (tensor, gradient) in &ours.2 {
        let found = difference(&flat(gradient), &flat(&theirs.2[tensor]));
        assert!(found < 5e-5, "{name}: the gradient of {tensor} differs by {found:.1e}");
    }
    let found = difference(&flat(&ours.3), &flat(&theirs.3));
    assert!(found < 5e-5, "{name}: the gradient of the selection values differs by {found:.1e}");
}

#[test]
fn layers_that_are_computed_again_have_the_same_gradients_under_the_same_masks() {
    let dropout = Some(Dropout { key: 3, rates: DropoutRates::everywhere(0.2, 0.1) });
    for name in MODELS {
        let kept = Fixture::load(name);
        let mut again = Fixture::load(name);
        again.model.keep = Keep::Inputs;
        check(name, &again, &kept, dropout);
    }
}

#[test]
fn a_model_in_16_bits_is_the_model_that_its_matrices_round_to() {
    for name in MODELS {
        let stored = Checkpoint::from_files(&[folder(name).join("model.safetensors")]).unwrap();
        for dtype in [DType::BF16, DType::F16] {
            let rounded = |name: &str| {
                let tensor = stored.tensor(name).unwrap().unwrap();
                let rounded = tensor.to_dtype(dtype).unwrap().to_dtype(DType::F32).unwrap();
                (name.to_owned(), if tensor.rank() == 2 { rounded } else { tensor })
            };
            let rounded: BTreeMap<String, Tensor> = stored.names().map(rounded).collect();
            let wide = Fixture::of(name, &Checkpoint::from_tensors(rounded, "rounded"), DType::F32);
            let half = Fixture::of(name, &stored, dtype);
            check(&format!("{name} in {dtype:?}"), &half, &wide, None);
            // The fixtures are stored in f16.
            if dtype == DType::BF16 {
                let exact = computed(&Fixture::load(name), None);
                assert!(difference(&computed(&half, None).0, &exact.0) > 1e-5, "{name}: nothing was rounded");
            }
        }
    }
}

/// Texts of unlike lengths, of which the loss counts unlike shares.
fn rows() -> Rows {
    let row = |(n, length): (u32, u32)| {
        let ids: Vec<u32> = (0..length).map(|i| 3 + (i * 7 + n * 5) % 40).collect();
        let next =
            ids.iter().skip(1).enumerate().map(|(i, &id)| if (i as u32).is_multiple_of(n + 2) { IGNORED } else { id });
        let target = Target::Tags(next.chain([IGNORED]).collect());
        Encoded { type_ids: vec![0; ids.len()], ids, target, example: n }
    };
    Rows::from([9, 3, 14, 5, 2, 7, 11].into_iter().zip(0..).map(|(length, n)| row((n, length))).collect::<Vec<_>>())
}

#[test]
fn parts_and_packed_rows_make_the_step_of_the_whole_batch() {
    for name in ["gpt2", "gemma3", "qwen3"] {
        let Fixture { mut model, weights, scales, .. } = Fixture::load(name);
        let tracked = track(&weights).unwrap();
        let set = rows();
        let chosen: Vec<usize> = (0..set.len()).collect();
        let mut by_layout = Vec::new();
        let layouts = [(None, None), (Some(3), None), (None, Some(16)), (Some(2), Some(16)), (Some(1), None)];
        for (micro_batch, pack_to) in layouts {
            let layout = Layout { micro_batch, micro_tokens: None, pack_to };
            model.keep = if micro_batch == Some(2) { Keep::Inputs } else { Keep::All };
            let network = Network::Causal(Box::new(model));
            let problem = Problem { model: network, modules: vec![], device: CPU, pad_id: 0, layout };
            let parts = problem.parts(&set, &chosen, None).unwrap();
            // The text of two tokens has none that counts.
            let expected = if micro_batch == Some(1) { 6 } else { 7usize.div_ceil(micro_batch.unwrap_or(7)) };
            assert_eq!(parts.len(), expected);
            let alone = problem.parts(&set, &[4], None).unwrap();
            let pass = Pass { weights: &tracked, scales: &scales, alpha: None, dropout: None };
            let loss = |part: &_, _| problem.part_loss(part, &pass, 0.1);
            let of = |parts: &[_]| {
                let (loss, gradients, _) = gradients_of_parts(parts, None, &tracked, None, loss).unwrap();
                (scalar(&loss).unwrap(), gradients)
            };
            assert_eq!(of(&alone).0, 0.0);
            by_layout.push(of(&parts));
            let Network::Causal(back) = problem.model else { panic!() };
            model = *back;
        }
        let (loss, gradients) = &by_layout[0];
        for (other, by_other) in &by_layout[1..] {
            assert!((loss - other).abs() < 1e-5 * loss, "{name}: {loss} {other}");
            for (tensor, gradient) in gradients {
                let found = difference(&flat(&by_other[tensor]), &flat(gradient));
                assert!(found < 1e-4, "{name}: the gradient of {tensor} differs by {found:.1e}");
            }
        }
    }
}
