//! Sums that vectorise, in an order that never changes.

use super::float::Float;

/// Running totals, each of every sixteenth element.
const LANES: usize = 16;

/// The sum of f(x).
#[inline(always)]
pub fn sum<T: Float>(values: &[T], f: impl Fn(T) -> T) -> T {
    sum_pairs(values, values, |x, _| f(x))
}

/// The sum of f(x, y) over two slices of one length.
#[inline(always)]
pub fn sum_pairs<T: Float>(xs: &[T], ys: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut totals = [T::ZERO; LANES];
    let ((whole_x, rest_x), (whole_y, rest_y)) = (xs.as_chunks::<LANES>(), ys.as_chunks::<LANES>());
    for (xs, ys) in whole_x.iter().zip(whole_y) {
        for ((total, &x), &y) in totals.iter_mut().zip(xs).zip(ys) {
            *total += f(x, y);
        }
    }
    for ((total, &x), &y) in totals.iter_mut().zip(rest_x).zip(rest_y) {
        *total += f(x, y);
    }
    fold(totals)
}

/// The sum of the totals: halves on halves, which is a few vector additions where a chain would be sixteen.
#[inline(always)]
fn fold<T: Float>(mut totals: [T; LANES]) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        let (low, high) = totals.split_at_mut(half);
        for (low, &high) in low.iter_mut().zip(&high[..half]) {
            *low += high;
        }
        half /= 2;
    }
    totals[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_counts_once_at_any_length() {
        for n in 0..70 {
            let xs: Vec<f64> = (1..=n).map(f64::from).collect();
            let n = f64::from(n);
            assert_eq!(sum(&xs, |x| x), n * (n + 1.0) / 2.0);
            assert_eq!(sum_pairs(&xs, &xs, |x, y| x * y), n * (n + 1.0) * (2.0 * n + 1.0) / 6.0);
        }
    }
}
