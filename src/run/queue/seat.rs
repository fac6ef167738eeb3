//! The devices of a host, as its processes share them and as one of them names them.

use std::path::Path;

/// A device that a run may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// As all processes of the host mean it: `cpu`, or `cuda-` and what `CUDA_VISIBLE_DEVICES` calls it.
    pub key: String,
    /// As this process opens it: `cpu`, `cuda:N`, `auto`.
    pub device: String,
}

impl Seat {
    fn cpu() -> Seat {
        Seat { key: "cpu".into(), device: "cpu".into() }
    }
}

/// What `runtime.device` may take, the first choice first; empty for a word that is no device.
pub fn seats(device: &str) -> Vec<Seat> {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let gpus = if cfg!(feature = "cuda") { Gpus::of_machine(visible.as_deref()) } else { Gpus::None };
    seats_of(device, visible.as_deref(), gpus)
}

/// The GPUs of a machine, without opening one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gpus {
    None,
    /// There may be some, and the system does not say how many.
    Unknown,
    Some(usize),
}

impl Gpus {
    fn of_machine(visible: Option<&str>) -> Gpus {
        if let Some(visible) = visible {
            // CUDA takes those before the first that is none.
            let named = visible.split(',').map(str::trim).take_while(|name| !name.is_empty() && *name != "-1").count();
            return if named == 0 { Gpus::None } else { Gpus::Some(named) };
        }
        match std::fs::read_dir("/proc/driver/nvidia/gpus").map_or(0, Iterator::count) {
            // Windows' Linux has a driver of its own, and a container may hide that folder.
            0 if ["/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"].iter().any(|file| Path::new(file).exists()) => {
                Gpus::Unknown
            }
            0 => Gpus::None,
            count => Gpus::Some(count),
        }
    }
}

fn seats_of(device: &str, visible: Option<&str>, gpus: Gpus) -> Vec<Seat> {
    let cuda = |ordinal: usize| {
        let named =
            visible.and_then(|list| list.split(',').nth(ordinal)).map(str::trim).filter(|name| !name.is_empty());
        Seat {
            key: format!("cuda-{}", named.map_or(ordinal.to_string(), Into::into)),
            device: format!("cuda:{ordinal}"),
        }
    };
    match (device, gpus) {
        ("cpu", _) | ("auto", Gpus::None) => vec![Seat::cpu()],
        ("auto", Gpus::Unknown) => vec![Seat { device: "auto".into(), ..cuda(0) }],
        ("auto", Gpus::Some(count)) => (0..count).map(cuda).collect(),
        ("cuda", _) => vec![cuda(0)],
        (other, _) => other.strip_prefix("cuda:").and_then(|n| n.parse().ok()).map(cuda).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(device: &str, visible: Option<&str>, gpus: Gpus) -> Vec<String> {
        seats_of(device, visible, gpus).into_iter().map(|seat| format!("{} {}", seat.key, seat.device)).collect()
    }

    #[test]
    fn auto_takes_any_gpu_else_the_cpu() {
        assert_eq!(told("auto", None, Gpus::None), ["cpu cpu"]);
        assert_eq!(told("auto", None, Gpus::Some(2)), ["cuda-0 cuda:0", "cuda-1 cuda:1"]);
        assert_eq!(told("auto", None, Gpus::Unknown), ["cuda-0 auto"]);
        assert_eq!(told("cpu", None, Gpus::Some(2)), ["cpu cpu"]);
        assert_eq!(told("cuda", None, Gpus::None), ["cuda-0 cuda:0"]);
        assert_eq!(told("cuda:3", None, Gpus::None), ["cuda-3 cuda:3"]);
        assert!(told("gpu", None, Gpus::Some(2)).is_empty() && told("cuda:x", None, Gpus::Some(1)).is_empty());
    }

    #[test]
    fn processes_that_see_different_gpus_mean_the_same_ones() {
        assert_eq!(told("auto", Some("3, 1"), Gpus::Some(2)), ["cuda-3 cuda:0", "cuda-1 cuda:1"]);
        assert_eq!(told("cuda:0", Some("GPU-ab12"), Gpus::Some(1)), ["cuda-GPU-ab12 cuda:0"]);
        assert_eq!(Gpus::of_machine(Some("3,1")), Gpus::Some(2));
        assert_eq!(Gpus::of_machine(Some("2,-1,0")), Gpus::Some(1));
        assert_eq!(Gpus::of_machine(Some("")), Gpus::None);
    }
}
