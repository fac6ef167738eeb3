//! The looks at a run's machine: peaks, means, and a history of so many points, however long the run is.

use crate::run::machine::Machine;

/// Points that the history has at most; then two become one.
const MOST: usize = 240;

/// A stretch of the history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MachinePoint {
    /// Seconds of work on the run, at its end.
    pub at: f32,
    /// The most memory of the host in use, and the mean load.
    pub used_bytes: f32,
    pub load: f32,
    /// The same of the GPU, its load in percent; `NaN` where there is none.
    pub gpu_bytes: f32,
    pub gpu_load: f32,
}

/// All looks so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looks {
    pub count: usize,
    pub host_peak_bytes: u64,
    pub gpu_peak_bytes: u64,
    pub hottest: Option<u32>,
    /// Looks at which something slowed the GPU down.
    pub throttled: usize,
    load: Mean,
    cores: Mean,
    gpu_load: Mean,
    power: Mean,
    /// RFC 3339: when the machine was last looked at.
    pub last: String,
    points: Vec<MachinePoint>,
    /// Looks that a point is made of, and those in the newest one.
    stride: usize,
    filled: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn take(&mut self, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            (self.sum, self.count) = (self.sum + value, self.count + 1);
        }
    }

    fn get(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl Looks {
    /// Takes one in: so many seconds of work into the run, at this time.
    pub fn take(&mut self, at: f64, time: &str, machine: &Machine) {
        self.count += 1;
        self.last = time.to_owned();
        self.host_peak_bytes = self.host_peak_bytes.max(machine.host_used_bytes);
        self.load.take(Some(machine.load));
        self.cores.take(machine.worker_cores);
        let gpu = machine.gpu.as_ref();
        if let Some(gpu) = gpu {
            self.gpu_peak_bytes = self.gpu_peak_bytes.max(gpu.used_bytes);
            self.gpu_load.take(gpu.load_percent.map(f64::from));
            self.power.take(gpu.power);
            self.hottest = self.hottest.max(gpu.temperature);
            self.throttled += usize::from(!gpu.throttled.is_empty());
        }
        let look = MachinePoint {
            at: at as f32,
            used_bytes: machine.host_used_bytes as f32,
            load: machine.load as f32,
            gpu_bytes: gpu.map_or(f32::NAN, |gpu| gpu.used_bytes as f32),
            gpu_load: gpu.and_then(|gpu| gpu.load_percent).map_or(f32::NAN, |percent| percent as f32),
        };
        self.add(look);
    }

    fn add(&mut self, look: MachinePoint) {
        let stride = self.stride.max(1);
        match self.points.last_mut().filter(|_| self.filled < stride) {
            Some(newest) => {
                *newest = joined(*newest, self.filled, look, 1);
                self.filled += 1;
            }
            None => {
                self.points.push(look);
                self.filled = 1;
            }
        }
        if self.points.len() > MOST {
            let (last, before) = (self.filled, stride);
            let pairs = self.points.chunks(2);
            self.points = pairs
                .map(|pair| match pair {
                    [a, b] => joined(*a, before, *b, before),
                    _ => pair[0],
                })
                .collect();
            // MOST is even, so that the newest point is alone.
            (self.stride, self.filled) = (2 * stride, last);
        }
    }

    /// Mean load of the host, and cores that the worker had on average.
    pub fn load(&self) -> Option<f64> {
        self.load.get()
    }

    /// CPU time of the worker, in cores.
    pub fn cores(&self) -> Option<f64> {
        self.cores.get()
    }

    /// Mean load of the GPU, percent.
    pub fn gpu_load(&self) -> Option<f64> {
        self.gpu_load.get()
    }

    /// Mean power of the GPU, watts.
    pub fn power(&self) -> Option<f64> {
        self.power.get()
    }

    /// The history, oldest first.
    pub fn points(&self) -> &[MachinePoint] {
        &self.points
    }
}

/// Two stretches of so many looks as one.
fn joined(a: MachinePoint, of_a: usize, b: MachinePoint, of_b: usize) -> MachinePoint {
    let mean = |x: f32, y: f32| {
        let (of_a, of_b) = (of_a as f32, of_b as f32);
        // What one of them does not know, the other tells.
        match (x.is_nan(), y.is_nan()) {
            (true, _) => y,
            (_, true) => x,
            _ => (x * of_a + y * of_b) / (of_a + of_b),
        }
    };
    MachinePoint {
        at: b.at,
        used_bytes: a.used_bytes.max(b.used_bytes),
        load: mean(a.load, b.load),
        gpu_bytes: a.gpu_bytes.max(b.gpu_bytes),
        gpu_load: mean(a.gpu_load, b.gpu_load),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(used: u64, load: f64) -> Machine {
        Machine { host_used_bytes: used, host_total_bytes: 1 << 40, load, cores: 4, ..Machine::default() }
    }

    #[test]
    fn a_long_run_keeps_its_peaks_and_means_in_few_points() {
        let mut looks = Looks::default();
        for second in 0..100_000u64 {
            let used = if second == 777 { 5000 } else { 1000 };
            looks.take(second as f64, "t", &machine(used, if second % 2 == 0 { 1.0 } else { 3.0 }));
        }
        assert_eq!((looks.host_peak_bytes, looks.load(), looks.gpu_load()), (5000, Some(2.0), None));
        let points = looks.points();
        assert!(points.len() <= MOST && points.len() > MOST / 3, "{}", points.len());
        assert!(points.windows(2).all(|pair| pair[0].at < pair[1].at));
        assert_eq!(points.iter().filter(|point| point.used_bytes == 5000.0).count(), 1, "a peak survives");
        assert!(points[..points.len() - 1].iter().all(|point| (point.load - 2.0).abs() < 0.02));
        assert!(points.iter().all(|point| point.gpu_load.is_nan()));
    }
}
