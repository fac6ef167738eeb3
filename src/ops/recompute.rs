//! A part of a model of which only the operands are kept: the backward pass computes it once more
//! ("activation checkpointing", Chen et al. 2016, arXiv 1604.06174).

use candle_core::{
    CpuStorage, CudaStorage, CustomOp3, DType, Layout, Result, Shape, Storage, Tensor, Var, backend::BackendStorage,
    bail,
};
use std::sync::{Mutex, PoisonError};

/// y = f(x, w, v).
type Part = Box<dyn Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor> + Send + Sync>;

struct Recomputed {
    part: Part,
    /// What the part gave, until the operation has taken it.
    y: Mutex<Option<Tensor>>,
    shape: Shape,
}

/// f(x, w, v), differentiable by those of the three that are tracked, without keeping anything that f computes between.
///
/// `f` must give the same for the same operands each time; every tensor that is trained must come to it through them.
pub fn recomputed(
    x: &Tensor,
    w: &Tensor,
    v: &Tensor,
    part: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    if ![x, w, v].iter().any(|operand| operand.track_op()) {
        return part(x, w, v);
    }
    let y = part(&x.detach(), &w.detach(), &v.detach())?;
    // The operation takes the storage alone: what lies elsewhere in it, e.g. a narrowed tensor, is copied.
    let y = if y.is_contiguous() && y.layout().start_offset() == 0 { y } else { y.force_contiguous()? };
    let shape = y.shape().clone();
    x.apply_op3(w, v, Recomputed { part: Box::new(part), y: Mutex::new(Some(y)), shape })
}

impl Recomputed {
    fn take(&self) -> Result<Tensor> {
        match self.y.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(y) => Ok(y),
            None => bail!("recompute: the result was taken before"),
        }
    }
}

impl CustomOp3 for Recomputed {
    fn name(&self) -> &'static str {
        "recompute"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let y = self.take()?;
        let (storage, layout) = y.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else { bail!("recompute: operands on different devices") };
        Ok((storage.try_clone(layout)?, self.shape.clone()))
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let y = self.take()?;
        let (storage, layout) = y.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else { bail!("recompute: operands on different devices") };
        Ok((storage.try_clone(layout)?, self.shape.clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        v: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let again = |operand: &Tensor| match operand.track_op() {
            true => Ok(Var::from_tensor(&operand.detach())?.into_inner()),
            false => Ok::<_, candle_core::Error>(operand.detach()),
        };
        let operands = [again(x)?, again(w)?, again(v)?];
        let [x, w, v] = &operands;
        let y = (self.part)(x, w, v)?;
        // Differentiated with the factor `grad`, the sum has the gradients that are asked for.
        let mut store = (y * grad.detach())?.sum_all()?.backward()?;
        let [x, w, v] = operands.each_ref().map(|operand| store.remove(operand));
        Ok((x, w, v))
    }
}

/// An operand for what a part does not have.
pub fn nothing(like: &Tensor) -> Result<Tensor> {
    Tensor::zeros(1, DType::F32, like.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn what_lies_within_a_larger_tensor_is_taken_from_its_place() {
        let x = Var::new(&[[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu).unwrap();
        let none = nothing(&x).unwrap();
        let y = recomputed(&x, &none, &none, |x, _, _| (x * 2.0)?.narrow(0, 1, 1)).unwrap();
        assert_eq!(y.to_vec2::<f32>().unwrap(), [[8.0, 10.0, 12.0]]);
        let gradient = y.sum_all().unwrap().backward().unwrap().get(&x).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(gradient, [[0.0; 3], [2.0; 3]]);
    }
}
