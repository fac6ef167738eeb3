//! With the feature `cuda`: compiles the kernels in src/ops/cuda/kernels to PTX, which the driver turns into code for
//! whatever GPU it finds, from compute capability 8.0 on. Without the feature: nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// One file of PTX each, which `src/ops/cuda/queue.rs` includes.
const KERNELS: [&str; 7] = ["activation", "elementwise", "heads", "loss", "norm", "positions", "softmax"];
const SHARED: [&str; 2] = ["common.cuh", "mask.cuh"];

/// The oldest GPU that runs what is compiled.
const VIRTUAL: &str = "compute_80";
/// GPUs that the PTX is assembled for, so that what an assembler refuses is found here and not by a driver.
const REAL: [&str; 2] = ["sm_80", "sm_90"];

/// The PTX of CUDA 13.0, which a driver from 580 on takes.
const NEWEST_PTX: (u32, u32) = (9, 0);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    for name in ["NVCC", "CUDA_HOME"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let folder = Path::new("src/ops/cuda/kernels");
    for name in SHARED {
        println!("cargo:rerun-if-changed={}", folder.join(name).display());
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_else(|| fail("cargo sets no OUT_DIR")));
    for name in KERNELS {
        let source = folder.join(name).with_extension("cu");
        println!("cargo:rerun-if-changed={}", source.display());
        let ptx = out.join(name).with_extension("ptx");
        compile(&["-ptx", "-arch", VIRTUAL], &source, &ptx);
        for gpu in REAL {
            compile(&["-cubin", "-arch", gpu], &ptx, &out.join(format!("{name}-{gpu}.cubin")));
        }
        warn_of_newer(&ptx);
    }
}

/// The compiler: NVCC, or that of CUDA_HOME, or the one on the path.
fn compiler() -> PathBuf {
    let of_home = || std::env::var_os("CUDA_HOME").map(|home| Path::new(&home).join("bin/nvcc"));
    std::env::var_os("NVCC").map(PathBuf::from).or_else(of_home).unwrap_or_else(|| "nvcc".into())
}

fn compile(what: &[&str], source: &Path, into: &Path) {
    let compiler = compiler();
    let mut command = Command::new(&compiler);
    command.args(["-O3", "-std=c++17"]).args(what).arg(source).arg("-o").arg(into);
    match command.output() {
        Err(error) => fail(&format!(
            "the feature `cuda` needs the compiler of a CUDA toolkit, and {} does not start: {error}. Set NVCC to the \
             compiler or CUDA_HOME to the toolkit's folder, or put nvcc on the path",
            compiler.display()
        )),
        Ok(output) if !output.status.success() => fail(&format!(
            "{command:?} failed:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
        Ok(_) => {}
    }
}

/// A toolkit newer than the driver writes PTX that the driver refuses.
fn warn_of_newer(ptx: &Path) {
    let text = std::fs::read_to_string(ptx).unwrap_or_default();
    let version = text.lines().find_map(|line| line.strip_prefix(".version ")).unwrap_or_default();
    let number = version.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    if number.is_none_or(|number: (u32, u32)| number > NEWEST_PTX) {
        println!(
            "cargo:warning={}: PTX {version}, newer than that of CUDA 13.0: a driver older than the toolkit refuses it",
            ptx.display()
        );
    }
}

fn fail(why: &str) -> ! {
    eprintln!("{why}");
    exit(1);
}
