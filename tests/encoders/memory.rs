//! What saves memory does not change what an encoder computes.

use super::gradients::{Setup, random, setup_fixture};
use super::{CPU, fixture, open};
use autolora::model::checkpoint::Checkpoint;
use autolora::model::{Dropout, DropoutRates, HeadKind, Input, Keep, TaskModel, Weights};
use autolora::train::gradient::{gradients, track, track_one};
use candle_core::{DType, Tensor};
use std::collections::BTreeMap;

const MODELS: [&str; 6] = ["bert", "xlm-roberta", "distilbert", "deberta-v2", "deberta-v3", "modernbert"];

/// The gradients by every trained tensor and by the selection values.
fn computed(setup: &Setup, dropout: Option<Dropout>) -> (Weights, Tensor) {
    let alpha = track_one(&random(&[setup.scales.len(), 2], 400, 1.0)).unwrap();
    let tracked = track(&setup.weights).unwrap();
    let loss = setup.loss(&tracked, &alpha, dropout);
    let (by_weights, by_alpha) = gradients(&loss, &tracked, Some(&alpha)).unwrap();
    (by_weights, by_alpha.unwrap())
}

#[test]
fn layers_that_are_computed_again_have_the_same_gradients_under_the_same_masks() {
    let dropout = Some(Dropout { key: 3, rates: DropoutRates::everywhere(0.2, 0.1) });
    for model in MODELS {
        let mut setup = setup_fixture(model, HeadKind::Sequence);
        let kept = computed(&setup, dropout);
        setup.model.encoder.keep = Keep::Inputs;
        let again = computed(&setup, dropout);
        let close = |a: &Tensor, b: &Tensor, what: &str| {
            let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            assert!(difference < 1e-12, "{model}: the gradient of {what} differs by {difference:.1e}");
        };
        for (name, gradient) in &kept.0 {
            close(gradient, &again.0[name], name);
        }
        close(&kept.1, &again.1, "the selection values");
    }
}

/// The matrices of the backbone that are kept in 16 bits.
fn is_kept(name: &str, tensor: &Tensor) -> bool {
    tensor.rank() == 2 && !name.contains("rel_embeddings") && !name.starts_with("classifier")
}

#[test]
fn an_encoder_in_16_bits_is_the_encoder_that_its_matrices_round_to() {
    for model in MODELS {
        let (config, stored) = open(&fixture(model)).unwrap();
        let rounded = |name: &str| {
            let tensor = stored.tensor(name).unwrap().unwrap();
            let rounded = tensor.to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap();
            (name.to_owned(), if is_kept(name, &tensor) { rounded } else { tensor })
        };
        let rounded: BTreeMap<String, Tensor> = stored.names().map(rounded).collect();
        let rounded = Checkpoint::from_tensors(rounded, "rounded");
        let logits = |checkpoint: &Checkpoint, dtype: DType| {
            let (mut loaded, _) = TaskModel::load(&config, checkpoint, HeadKind::Sequence, 3, dtype, &CPU).unwrap();
            loaded.attach(&["all-linear".to_string()]).unwrap();
            let ids: Vec<u32> = (0..20).map(|i| 5 + i * 7 % 50).collect();
            let input = Input::new(&config, &ids, &[0; 20], &[1; 20], 10, &CPU).unwrap();
            let weights = loaded.initial_head(1, "test").unwrap();
            let pass = autolora::model::Pass { weights: &weights, scales: &[], alpha: None, dropout: None };
            loaded.forward(&input, &pass).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let (half, wide) = (logits(&stored, DType::BF16), logits(&rounded, DType::F32));
        let exact = logits(&stored, DType::F32);
        let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(apart(&half, &wide) < 1e-5, "{model}: {half:?} {wide:?}");
        // DistilBERT's fixture is stored in bf16.
        assert!(model == "distilbert" || apart(&half, &exact) > 1e-5, "{model}: nothing was rounded");
    }
}
