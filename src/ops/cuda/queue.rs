//! A GPU as the queue that recipes run on.

use super::recipe::product::Gemm;
use super::recipe::{Argument, Kind, Launch, Queue, Room};
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::cublas::{result::gemm_strided_batched_ex, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr, LaunchConfig, PushKernelArg};
use candle_core::{CudaDevice, Result, bail};
use std::ffi::{c_int, c_void};

/// The kernels of a file.
fn ptx(module: &str) -> Result<&'static str> {
    Ok(match module {
        "activation" => include_str!(concat!(env!("OUT_DIR"), "/activation.ptx")),
        "elementwise" => include_str!(concat!(env!("OUT_DIR"), "/elementwise.ptx")),
        "heads" => include_str!(concat!(env!("OUT_DIR"), "/heads.ptx")),
        "loss" => include_str!(concat!(env!("OUT_DIR"), "/loss.ptx")),
        "norm" => include_str!(concat!(env!("OUT_DIR"), "/norm.ptx")),
        "positions" => include_str!(concat!(env!("OUT_DIR"), "/positions.ptx")),
        "softmax" => include_str!(concat!(env!("OUT_DIR"), "/softmax.ptx")),
        _ => bail!("there are no kernels of {module}"),
    })
}

impl Room for CudaSlice<u8> {
    fn address(&self) -> u64 {
        self.device_ptr(self.stream()).0
    }
}

/// An argument where the driver reads it.
enum Stored {
    Count(u32),
    Long(u64),
    Real(f64),
}

impl Stored {
    fn of(argument: Argument) -> Result<Stored> {
        Ok(match argument {
            Argument::Address(word) | Argument::Long(word) => Stored::Long(word),
            Argument::Count(count) => Stored::Count(u32::try_from(count)?),
            Argument::Real(real) => Stored::Real(real),
        })
    }
}

impl Queue for CudaDevice {
    type Error = candle_core::Error;
    type Room = CudaSlice<u8>;

    fn room(&self, bytes: usize) -> Result<CudaSlice<u8>> {
        // SAFETY: whoever asks for room writes it before it is read.
        unsafe { self.alloc::<u8>(bytes.max(1)) }
    }

    fn launch(&self, launch: &Launch) -> Result<()> {
        // The names are those of this crate's modules among all that a program loads.
        let kernel =
            self.get_or_load_custom_func(&launch.kernel, &format!("autolora_{}", launch.module), ptx(launch.module)?)?;
        let stored = launch.arguments.iter().map(|&argument| Stored::of(argument)).collect::<Result<Vec<_>>>()?;
        let mut builder = kernel.builder();
        for argument in &stored {
            match argument {
                Stored::Count(count) => builder.arg(count),
                Stored::Long(word) => builder.arg(word),
                Stored::Real(real) => builder.arg(real),
            };
        }
        let (x, y) = launch.blocks;
        let config = LaunchConfig {
            grid_dim: (u32::try_from(x)?, u32::try_from(y)?, 1),
            block_dim: (u32::try_from(launch.threads)?, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: a test runs every recipe with the same kernels and compares number and types of the arguments, and
        // what the kernels touch; operands are checked by the callers, and their memory goes back in the stream's order.
        unsafe { builder.launch(config) }.w()?;
        Ok(())
    }

    /// TF32 is not used: products of f32 are in f32.
    fn multiply(&self, gemm: &Gemm) -> Result<()> {
        use sys::{cublasComputeType_t as Compute, cublasOperation_t as Operation};
        let stream = self.cuda_stream();
        stream.context().bind_to_thread().w()?;
        let (compute, wide) = match gemm.kind {
            Kind::F64 => (Compute::CUBLAS_COMPUTE_64F, true),
            _ => (Compute::CUBLAS_COMPUTE_32F, false),
        };
        let factors = [gemm.alpha, gemm.beta];
        let narrow = factors.map(|factor| factor as f32);
        let factor = |i: usize| -> *const c_void {
            if wide { (&raw const factors[i]).cast() } else { (&raw const narrow[i]).cast() }
        };
        let operation = gemm.transposed.map(|is| if is { Operation::CUBLAS_OP_T } else { Operation::CUBLAS_OP_N });
        let number = |n: usize| c_int::try_from(n).map_err(candle_core::Error::from);
        let [m, n, k, batch] = [number(gemm.m)?, number(gemm.n)?, number(gemm.k)?, number(gemm.batch)?];
        let [lda, ldb, ldc] = [number(gemm.leading[0])?, number(gemm.leading[1])?, number(gemm.leading[2])?];
        let [step_a, step_b, step_c] = gemm.steps.map(|step| step as i64);
        let [a, b, c] = gemm.addresses;
        let (kind, out_kind) = (data_type(gemm.kind), data_type(gemm.out_kind));
        let blas = self.cublas_handle();
        // SAFETY: sizes, steps and leading dimensions are those that the test of the recipes checks against BLAS's own
        // definition; the operands' memory goes back in the stream's order; the handle is the device's, on its stream.
        unsafe {
            gemm_strided_batched_ex(
                *blas.handle(),
                operation[0],
                operation[1],
                m,
                n,
                k,
                factor(0),
                a as *const c_void,
                kind,
                lda,
                step_a,
                b as *const c_void,
                kind,
                ldb,
                step_b,
                factor(1),
                c as *mut c_void,
                out_kind,
                ldc,
                step_c,
                batch,
                compute,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .w()
    }
}

fn data_type(kind: Kind) -> sys::cudaDataType_t {
    match kind {
        Kind::F64 => sys::cudaDataType_t::CUDA_R_64F,
        Kind::F32 => sys::cudaDataType_t::CUDA_R_32F,
        Kind::Bf16 => sys::cudaDataType_t::CUDA_R_16BF,
        Kind::F16 => sys::cudaDataType_t::CUDA_R_16F,
    }
}
