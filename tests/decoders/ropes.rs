//! Every way of stretching rotary positions, against the functions of transformers.

use super::folder;
use autolora::model::DecoderConfig;
use autolora::ops::Rope;
use serde_json::Value;

#[test]
fn angles_and_factors_are_those_of_transformers() {
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(folder("ropes.json")).unwrap()).unwrap();
    assert_eq!(cases.len(), 13);
    for case in cases {
        let config = DecoderConfig::parse(case["config"].to_string().as_bytes(), "config.json").unwrap();
        let rope = config.ropes[0].table(case["length"].as_u64().unwrap() as usize);
        let angles: Vec<f64> = case["angles"].as_array().unwrap().iter().map(|a| a.as_f64().unwrap()).collect();
        let expected = Rope::of(rope.length(), &angles, case["factor"].as_f64().unwrap());
        let difference = rope.largest_difference(&expected);
        assert!(difference < 2e-5, "{case}: tables differ by {difference:.1e}");
    }
}
