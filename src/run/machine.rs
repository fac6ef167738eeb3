//! What the worker's machine does: its GPUs as NVIDIA's management library tells, and the host as the kernel does.

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use serde::{Deserialize, Serialize};
use std::fs::read_to_string;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// One look at the machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Memory of the host that is in use, and all that it has; bytes.
    pub host_used_bytes: u64,
    pub host_total_bytes: u64,
    /// Runnable processes over the last minute, and the cores that they share.
    pub load: f64,
    pub cores: usize,
    /// CPU time of the worker since the last look, in cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_cores: Option<f64>,
    /// The GPU that the run uses; none on the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
}

/// One look at a GPU. What the driver does not tell is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    pub index: usize,
    pub name: String,
    pub used_bytes: u64,
    pub total_bytes: u64,
    /// Share of the last moments in which a kernel ran, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_percent: Option<u32>,
    /// Degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<u32>,
    /// Power that is drawn, and the most that may be; watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_limit: Option<f64>,
    /// Why the clocks are lower than they could be, in words: `power cap`, `heat`, ...; empty where they are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub throttled: Vec<String>,
}

/// Looks at the machine every few seconds, on a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct Looks {
    looks: Receiver<Machine>,
    /// Closed when dropped, which ends the thread.
    _stop: Sender<()>,
}

impl Looks {
    /// Starts to look; `ordinal` is CUDA's number of the run's device, none on the CPU. Where there can be no thread, nothing
    /// is ever seen.
    pub fn start(ordinal: Option<usize>) -> Looks {
        let (stop, stopped) = channel::<()>();
        let (to, looks) = channel();
        let watch = move || {
            let mut sampler = Sampler::new(ordinal);
            loop {
                if to.send(sampler.look()).is_err() {
                    return;
                }
                if stopped.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("machine".into()).spawn(watch) {
            tracing::warn!("no thread to look at the machine: {error}");
        }
        Looks { looks, _stop: stop }
    }

    /// The newest look that was not taken yet.
    pub fn newest(&self) -> Option<Machine> {
        self.looks.try_iter().last()
    }
}

/// Bytes of a GPU that nobody uses now; `ordinal` is CUDA's number. `None` where the driver does not tell.
pub fn gpu_free(ordinal: usize) -> Option<u64> {
    let gpu = gpu(&Nvml::init().ok()?, ordinal)?;
    Some(gpu.total_bytes.saturating_sub(gpu.used_bytes))
}

/// What the looks are made with.
struct Sampler {
    nvml: Option<Nvml>,
    ordinal: Option<usize>,
    /// CPU seconds of this process at the last look, and when that was.
    before: Option<(f64, Instant)>,
}

impl Sampler {
    fn new(ordinal: Option<usize>) -> Sampler {
        // Loads the driver's library where there is one; on the CPU there is nothing to ask it.
        let nvml = ordinal.and_then(|_| match Nvml::init() {
            Ok(nvml) => Some(nvml),
            Err(error) => {
                tracing::warn!(
                    "NVIDIA's management library cannot be used, so that nothing is known of the GPU: {error}"
                );
                None
            }
        });
        Sampler { nvml, ordinal, before: None }
    }

    fn look(&mut self) -> Machine {
        let (host_used_bytes, host_total_bytes) = host_memory().unwrap_or((0, 0));
        let worker_cores = cpu_seconds().and_then(|now| {
            let (then, at) = self.before.replace((now, Instant::now()))?;
            let seconds = at.elapsed().as_secs_f64();
            (seconds > 0.0).then(|| (now - then) / seconds)
        });
        Machine {
            host_used_bytes,
            host_total_bytes,
            load: load().unwrap_or(0.0),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            worker_cores,
            gpu: self.nvml.as_ref().zip(self.ordinal).and_then(|(nvml, ordinal)| gpu(nvml, ordinal)),
        }
    }
}

/// The number that the driver has for CUDA's `ordinal`, or its UUID, as `CUDA_VISIBLE_DEVICES` maps them.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Index(u32),
    Uuid(String),
}

fn named(ordinal: usize, visible: Option<&str>) -> Option<Named> {
    let Some(visible) = visible.filter(|list| !list.trim().is_empty()) else {
        return u32::try_from(ordinal).ok().map(Named::Index);
    };
    let entry = visible.split(',').nth(ordinal)?.trim();
    match entry.parse() {
        Ok(index) => Some(Named::Index(index)),
        Err(_) if entry.starts_with("GPU-") => Some(Named::Uuid(entry.into())),
        // A slice of a GPU (MIG) has no figures of its own.
        Err(_) => None,
    }
}

fn gpu(nvml: &Nvml, ordinal: usize) -> Option<Gpu> {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let device = match named(ordinal, visible.as_deref())? {
        Named::Index(index) => nvml.device_by_index(index).ok()?,
        Named::Uuid(uuid) => nvml.device_by_uuid(uuid).ok()?,
    };
    let memory = device.memory_info().ok()?;
    let watts = |milliwatts: u32| f64::from(milliwatts) / 1000.0;
    Some(Gpu {
        index: ordinal,
        name: device.name().unwrap_or_default(),
        used_bytes: memory.used,
        total_bytes: memory.total,
        load_percent: device.utilization_rates().ok().map(|rates| rates.gpu),
        temperature: device.temperature(TemperatureSensor::Gpu).ok(),
        power: device.power_usage().ok().map(watts),
        power_limit: device.enforced_power_limit().ok().map(watts),
        throttled: device.current_throttle_reasons().map(throttled).unwrap_or_default(),
    })
}

/// What slows a GPU down, in words. That it has nothing to do, or was told its clocks, is no slowing down.
fn throttled(reasons: ThrottleReasons) -> Vec<String> {
    let known = [
        (ThrottleReasons::SW_POWER_CAP, "power cap"),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power brake"),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, "heat"),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, "heat (hardware)"),
        (ThrottleReasons::HW_SLOWDOWN, "hardware slowdown"),
        (ThrottleReasons::SYNC_BOOST, "sync boost"),
    ];
    known.iter().filter(|(reason, _)| reasons.contains(*reason)).map(|(_, word)| (*word).to_owned()).collect()
}

/// Memory in use and in all, as far as this process's control group lets it have that; bytes.
fn host_memory() -> Option<(u64, u64)> {
    let system = read_to_string("/proc/meminfo").ok()?;
    let of = |name: &str| -> Option<u64> {
        let line = system.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    };
    let (total, free) = (of("MemTotal:")?, of("MemAvailable:")?);
    let group = |file: &str| read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?.trim().parse::<u64>().ok();
    match group("memory.max").zip(group("memory.current")) {
        Some((most, now)) if most < total => Some((now.min(most), most)),
        _ => Some((total.saturating_sub(free), total)),
    }
}

fn load() -> Option<f64> {
    read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// CPU time that this process has taken, seconds.
fn cpu_seconds() -> Option<f64> {
    let stat = read_to_string("/proc/self/stat").ok()?;
    // The name, in brackets, may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_seen_and_a_gpu_only_where_one_is_asked_for() {
        let mut sampler = Sampler::new(None);
        let first = sampler.look();
        assert!(first.host_total_bytes > 0 && first.host_used_bytes <= first.host_total_bytes);
        assert!(first.cores > 0 && first.worker_cores.is_none() && first.gpu.is_none());
        assert!(sampler.look().worker_cores.is_some());
        // Without a driver there is nothing to tell, and no error.
        assert!(Nvml::init().is_ok() || Sampler::new(Some(0)).look().gpu.is_none());
    }

    #[test]
    fn visible_devices_are_counted_as_cuda_counts_them() {
        assert_eq!(named(1, None), Some(Named::Index(1)));
        assert_eq!(named(1, Some("")), Some(Named::Index(1)));
        assert_eq!(named(1, Some("3, 5")), Some(Named::Index(5)));
        assert_eq!(named(2, Some("3,5")), None);
        assert_eq!(named(0, Some("GPU-ab12")), Some(Named::Uuid("GPU-ab12".into())));
        assert_eq!(named(0, Some("MIG-ab12")), None);
    }

    #[test]
    fn what_slows_a_gpu_down_is_said_in_words() {
        assert_eq!(throttled(ThrottleReasons::GPU_IDLE), Vec::<String>::new());
        assert_eq!(
            throttled(ThrottleReasons::SW_POWER_CAP | ThrottleReasons::SW_THERMAL_SLOWDOWN),
            ["power cap", "heat"]
        );
    }
}
