//! Owned randomness: independent streams keyed by (seed, purpose, index), the same on every machine and for ever.
//!
//! Candle cannot seed its CPU generator, and a run must be resumable to the bit, so initial values and shuffles come from
//! here. What a key gives is part of the file format of a run: changing it would change every run ever recorded. Tests pin it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// The stream of a purpose: ChaCha8 keyed by SHA-256 of (seed, purpose, index). Two different tuples are independent.
pub fn stream(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    let key = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update((purpose.len() as u64).to_le_bytes())
        .chain_update(purpose)
        .chain_update(index.to_le_bytes())
        .finalize();
    ChaCha8Rng::from_seed(key.into())
}

/// A whole number in 0..`bound`, without bias (Lemire's multiplication with rejection). `bound` 0 gives 0.
pub fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= bound.wrapping_neg().checked_rem(bound).unwrap_or(0) {
            return (product >> 64) as u64;
        }
    }
}

/// A uniformly drawn order of 0..`n` (Fisher-Yates from the back).
pub fn permutation(seed: u64, purpose: &str, index: u64, n: usize) -> Vec<usize> {
    let mut rng = stream(seed, purpose, index);
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        order.swap(last, below(&mut rng, last as u64 + 1) as usize);
    }
    order
}

/// `n` draws from N(0, `std`²): Box-Muller in f64, rounded to f32.
pub fn normal(rng: &mut ChaCha8Rng, n: usize, std: f64) -> Vec<f32> {
    let mut values = Vec::with_capacity(n + 1);
    while values.len() < n {
        // In (0, 1]: the logarithm of 0 must not happen.
        let radius = (-2.0 * libm::log(1.0 - unit(rng))).sqrt() * std;
        let angle = std::f64::consts::TAU * unit(rng);
        values.push((radius * libm::cos(angle)) as f32);
        values.push((radius * libm::sin(angle)) as f32);
    }
    values.truncate(n);
    values
}

/// `n` draws from N(0, `std`²) within `cutoff` > 0 standard deviations: draws outside are drawn again.
pub fn truncated_normal(rng: &mut ChaCha8Rng, n: usize, std: f64, cutoff: f64) -> Vec<f32> {
    let limit = (std * cutoff) as f32;
    let mut values = Vec::with_capacity(n);
    while values.len() < n && limit > 0.0 {
        let missing = n - values.len();
        values.extend(normal(rng, missing, std).into_iter().filter(|value| value.abs() <= limit));
    }
    values.resize(n, 0.0);
    values
}

/// `n` draws from U[-`bound`, `bound`), rounded to f32.
pub fn uniform(rng: &mut ChaCha8Rng, n: usize, bound: f64) -> Vec<f32> {
    (0..n).map(|_| ((2.0 * unit(rng) - 1.0) * bound) as f32).collect()
}

/// U[0, 1) with 53 bits.
pub fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From an independent implementation of ChaCha8 and of the transformations, in Python.
    #[test]
    fn keys_are_pinned_for_ever() {
        assert_eq!(permutation(42, "split", 0, 10), [3, 0, 2, 6, 5, 8, 7, 9, 1, 4]);
        assert_eq!(normal(&mut stream(42, "init", 3), 3, 0.02), [0.016716871, 0.011527159, -0.017011859]);
        assert_eq!(uniform(&mut stream(42, "init", 3), 3, 0.5), [-0.09725477, -0.4039214, 0.35163155]);
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        let base = first(1, "a", 0);
        assert_eq!(base, first(1, "a", 0));
        for other in [first(2, "a", 0), first(1, "b", 0), first(1, "a", 1), first(1, "", 0)] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn moments_are_those_of_the_distribution() {
        let draws = normal(&mut stream(7, "test", 0), 40_001, 2.0);
        let mean = draws.iter().map(|x| f64::from(*x)).sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert_eq!(draws.len(), 40_001);
        assert!(mean.abs() < 0.04 && (variance - 4.0).abs() < 0.12, "mean {mean}, variance {variance}");
        let draws = uniform(&mut stream(7, "test", 1), 40_000, 3.0);
        assert!(draws.iter().all(|x| (-3.0..=3.0).contains(x)));
        let variance = draws.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!((variance - 3.0).abs() < 0.09, "variance {variance}");
    }

    #[test]
    fn a_bounded_draw_is_even() {
        let mut rng = stream(9, "test", 0);
        let mut counts = [0usize; 6];
        for _ in 0..60_000 {
            counts[below(&mut rng, 6) as usize] += 1;
        }
        assert!(counts.iter().all(|c| (9_500..10_500).contains(c)), "{counts:?}");
        assert_eq!(below(&mut rng, 0), 0);
    }
}
