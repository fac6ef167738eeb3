//! Picks the next token from a row of logits.

use crate::data::random::{stream, unit};

/// The index of the highest logit, the first of equals.
pub fn highest(logits: &[f32]) -> u32 {
    let first = |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
    (0..logits.len()).fold(0, first) as u32
}

/// Takes from the logits every token that would end a sequence of `n` tokens which was there before, in the prompt or
/// after it.
pub fn forbid_repeats(logits: &mut [f32], prompt: &[u32], new: &[u32], n: usize) {
    let length = prompt.len() + new.len();
    if n == 0 || length + 1 < n {
        return;
    }
    let all: Vec<u32> = prompt.iter().chain(new).copied().collect();
    let tail = &all[length + 1 - n..];
    for seen in all.windows(n).filter(|seen| &seen[..n - 1] == tail) {
        if let Some(logit) = logits.get_mut(seen[n - 1] as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// A token drawn at a temperature from the `top_k` likeliest (0: all), of these the likeliest that together have
/// `top_p` of the probability. The draw depends on `key` (seed, row, step) alone, not on the rest of the batch.
pub fn draw(logits: &[f32], (temperature, top_k, top_p): (f64, usize, f64), key: (u64, usize, usize)) -> u32 {
    if temperature <= 0.0 {
        return highest(logits);
    }
    let mut order: Vec<usize> = (0..logits.len()).filter(|&i| logits[i].is_finite()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    order.truncate(if top_k == 0 { order.len() } else { top_k });
    let Some(&first) = order.first() else { return highest(logits) };
    let weight = |i: usize| (f64::from(logits[i] - logits[first]) / temperature).exp();
    let total: f64 = order.iter().map(|&i| weight(i)).sum();
    let mut seen = 0.0;
    // The token that reaches top_p is still among them.
    let kept = order.iter().take_while(|&&i| {
        let before = seen;
        seen += weight(i) / total;
        before < top_p
    });
    let kept: Vec<usize> = kept.copied().collect();
    let total: f64 = kept.iter().map(|&i| weight(i)).sum();
    let (seed, row, step) = key;
    let mut left = unit(&mut stream(seed, "sample", (row as u64) << 32 | step as u64)) * total;
    for &i in &kept {
        left -= weight(i);
        if left < 0.0 {
            return i as u32;
        }
    }
    kept.last().copied().unwrap_or(first) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_of_prompt_and_text_are_forbidden() {
        let mut logits = vec![0.0; 6];
        forbid_repeats(&mut logits, &[1, 2, 3, 1, 2, 4], &[1, 2], 3);
        assert_eq!(logits.iter().map(|x| x.is_finite()).collect::<Vec<_>>(), [true, true, true, false, false, true]);
        let mut logits = vec![0.0; 6];
        forbid_repeats(&mut logits, &[5], &[], 1);
        assert!(logits[5].is_infinite() && logits[1].is_finite());
        forbid_repeats(&mut logits, &[1], &[], 4);
    }

    #[test]
    fn draws_follow_the_probabilities_within_top_k_and_top_p() {
        // Probabilities 0.1, 0.6, 0.3.
        let logits: Vec<f32> = [0.1f32, 0.6, 0.3].map(f32::ln).to_vec();
        let share = |limits, token| {
            let draws = (0..4000).filter(|&step| draw(&logits, limits, (1, 0, step)) == token).count();
            draws as f64 / 4000.0
        };
        assert!((share((1.0, 0, 1.0), 0) - 0.1).abs() < 0.02);
        assert!((share((1.0, 2, 1.0), 2) - 1.0 / 3.0).abs() < 0.03);
        assert_eq!(share((1.0, 0, 0.6), 1), 1.0);
        assert_eq!(share((1.0, 0, 0.61), 0), 0.0);
        assert_eq!(share((0.0, 0, 1.0), 1), 1.0);
        assert!(share((0.3, 0, 1.0), 1) > 0.85);
    }
}
