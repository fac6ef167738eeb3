//! Learning rates over the steps of retraining.

/// Linear warm-up over the first `warmup_share` of `total` steps, then linear to 0 (transformers'
/// `get_linear_schedule_with_warmup`).
#[derive(Clone, Copy, Debug)]
pub struct LinearSchedule {
    pub peak: f64,
    pub warmup: usize,
    pub total: usize,
}

impl LinearSchedule {
    /// `warmup_share` of `total` steps, rounded up, warm up.
    pub fn new(peak: f64, warmup_share: f64, total: usize) -> LinearSchedule {
        LinearSchedule { peak, warmup: (warmup_share * total as f64).ceil() as usize, total }
    }

    /// The rate of step `step`, counted from 0.
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * step as f64 / self.warmup as f64;
        }
        let left = self.total.saturating_sub(step) as f64;
        self.peak * left / self.total.saturating_sub(self.warmup).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_transformers() {
        // get_linear_schedule_with_warmup(optimizer, 2, 10), lr 1: step 0, 1, 2, 3, 9
        let schedule = LinearSchedule::new(1.0, 0.2, 10);
        let rates: Vec<f64> = [0, 1, 2, 3, 9].iter().map(|&s| schedule.at(s)).collect();
        assert_eq!(rates, [0.0, 0.5, 1.0, 0.875, 0.125]);
    }
}
