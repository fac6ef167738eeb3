//! Whether an operation failed for want of a GPU's memory.

use candle_core::Error;

/// Whether the memory of a GPU is full: the driver's CUDA_ERROR_OUT_OF_MEMORY or cuBLAS's CUBLAS_STATUS_ALLOC_FAILED,
/// through whatever candle wrapped around it. Never without the feature `cuda`.
pub fn is_out_of_memory(error: &Error) -> bool {
    match error {
        Error::Cuda(inner) => is_of_device(&**inner),
        Error::Context { inner, .. } | Error::WithPath { inner, .. } | Error::WithBacktrace { inner, .. } => {
            is_out_of_memory(inner)
        }
        Error::WrappedContext { wrapped, .. } => wrapped.downcast_ref().is_some_and(is_out_of_memory),
        _ => false,
    }
}

#[cfg(feature = "cuda")]
fn is_of_device(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    use candle_core::cuda_backend::CudaError;
    use candle_core::cuda_backend::cudarc::{cublas, driver};
    let is_full = |error: &driver::DriverError| error.0 == driver::sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY;
    match error.downcast_ref() {
        Some(CudaError::Cuda(error) | CudaError::Load { cuda: error, .. }) => is_full(error),
        Some(CudaError::Cublas(error)) => error.0 == cublas::sys::cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED,
        _ => false,
    }
}

#[cfg(not(feature = "cuda"))]
fn is_of_device(_: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_of_a_full_device_is_not_taken_for_it() {
        for error in [Error::Msg("out of memory".into()), Error::Cuda("out of memory".into())] {
            assert!(!is_out_of_memory(&error) && !is_out_of_memory(&error.context("a layer")));
        }
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn a_full_device_is_known_whatever_is_wrapped_around_it() {
        use candle_core::cuda_backend::CudaError;
        use candle_core::cuda_backend::cudarc::cublas::{result::CublasError, sys::cublasStatus_t};
        use candle_core::cuda_backend::cudarc::driver::{DriverError, sys::CUresult};
        let driver = |code| CudaError::Cuda(DriverError(code));
        let blas = |code| CudaError::Cublas(CublasError(code));
        for (error, is_full) in [
            (driver(CUresult::CUDA_ERROR_OUT_OF_MEMORY), true),
            (driver(CUresult::CUDA_ERROR_ILLEGAL_ADDRESS), false),
            (blas(cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED), true),
            (blas(cublasStatus_t::CUBLAS_STATUS_EXECUTION_FAILED), false),
        ] {
            let error = Error::from(error).context("a layer").with_path("weights");
            assert_eq!(is_out_of_memory(&error), is_full, "{error}");
        }
    }
}
