//! The precision trap of the mixed term (method.md): what is trained, and its differences, survive a backbone in bf16.

use super::CPU;
use super::minilm::shared_folder;
use autolora::data::hub::{Hub, unwatched};
use autolora::data::{Encode, Example, Rows};
use autolora::model::source::locate;
use autolora::run::base::Base;
use autolora::run::numerics::{Trial, relative_difference};
use candle_core::DType;

/// The first 32 sentences that the demo trains on, with their labels.
fn sentences(base: &Base) -> Rows {
    let lines = include_str!("../../assets/demo/train.tsv").lines().skip(1).take(32);
    let examples: Vec<Example> = lines
        .map(|line| {
            let (text, label) = line.split_once('\t').unwrap();
            Example::text(text, u32::from(label == "positive"))
        })
        .collect();
    base.tokenizer(64).unwrap().encode(&examples, 0).unwrap().0.into()
}

#[test]
fn the_mixed_term_in_bf16_agrees_with_f32_on_the_demo_and_on_minilm() {
    let hub = Hub { endpoint: String::new(), cache: std::env::temp_dir(), token: None, offline: true };
    let minilm = shared_folder().map(|shared| shared.join("models/all-MiniLM-L6-v2").display().to_string());
    for id in std::iter::once("builtin:demo".to_owned()).chain(minilm) {
        let base = Base::of(locate(&id, None, &hub, &mut unwatched).unwrap()).unwrap();
        let rows = sentences(&base);
        let mixed = |dtype| Trial::new(&base, dtype, &CPU, &rows).unwrap().mixed().unwrap();
        let [exact, wide, half] = [DType::F64, DType::F32, DType::BF16].map(mixed);
        let wide_error = relative_difference(&wide, &exact).unwrap();
        let half_error = relative_difference(&half, &wide).unwrap();
        println!("{id}: f32 {wide_error:.1e} of f64, bf16 {half_error:.1e} of f32");
        assert!(wide_error > 0.0 && wide_error < 0.01, "{id}: f32 is {wide_error} off");
        assert!(half_error > wide_error && half_error < 0.05, "{id}: bf16 is {half_error} off");
    }
}
