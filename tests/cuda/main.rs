//! Every operation on the GPU cuda:0 in f32 against the CPU's in f64: result, gradients, and the same bits from two equal
//! calls. Where there is no device these tests fail; they do not pass in silence. `tests/kernels` proves the arithmetic
//! of the same kernels without one.
#![cfg(feature = "cuda")]

mod attention;
mod layers;

use candle_core::{DType, Device, Result, Tensor, Var};

/// One of the two devices that are compared.
pub struct Side {
    device: Device,
}

/// Numbers between -1 and 1.
fn values(count: usize, salt: u64) -> Vec<f32> {
    let mut state = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 / (1u64 << 52) as f64 - 1.0) as f32
    };
    (0..count).map(|_| next()).collect()
}

impl Side {
    /// Numbers that `stored` holds: on the GPU in that type, on the CPU in f64.
    pub fn frozen(&self, shape: &[usize], salt: u64, stored: DType) -> Tensor {
        let exact = Tensor::from_vec(values(shape.iter().product(), salt), shape, &Device::Cpu).unwrap();
        let rounded = exact.to_dtype(stored).unwrap();
        let dtype = if self.device.is_cpu() { DType::F64 } else { stored };
        rounded.to_dtype(dtype).unwrap().to_device(&self.device).unwrap()
    }
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The result of `operation` and the gradients of its operands, which have these shapes.
fn run(side: &Side, operands: &[&[usize]], operation: &dyn Fn(&Side, &[Tensor]) -> Result<Tensor>) -> Vec<Vec<f64>> {
    let variable =
        |(salt, shape): (usize, &&[usize])| Var::from_tensor(&side.frozen(shape, salt as u64 + 1, DType::F32)).unwrap();
    let variables: Vec<Var> = operands.iter().enumerate().map(variable).collect();
    let tensors: Vec<Tensor> = variables.iter().map(|var| var.as_tensor().clone()).collect();
    let y = operation(side, &tensors).unwrap();
    let dy = side.frozen(y.dims(), 99, DType::F32);
    let store = (&y * &dy).unwrap().sum_all().unwrap().backward().unwrap();
    let gradients = variables.iter().map(|var| flat(store.get(var).expect("a gradient")));
    std::iter::once(flat(&y)).chain(gradients).collect()
}

/// Compares the two devices, up to `tolerance` of the largest element (and at least of 1), and two calls on the GPU.
#[track_caller]
pub fn check(
    what: &str,
    tolerance: f64,
    operands: &[&[usize]],
    operation: impl Fn(&Side, &[Tensor]) -> Result<Tensor>,
) {
    let device = Device::new_cuda(0).expect("these tests need a GPU");
    let gpu = Side { device };
    let found = run(&gpu, operands, &operation);
    assert_eq!(found, run(&gpu, operands, &operation), "{what}: two equal calls differ");
    let expected = run(&Side { device: Device::Cpu }, operands, &operation);
    for (n, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let largest = expected.iter().fold(1f64, |largest, x| largest.max(x.abs()));
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let part = if n == 0 { "result".to_string() } else { format!("gradient {}", n - 1) };
            let difference = (found - expected).abs();
            assert!(difference <= tolerance * largest, "{what}, {part}, element {i}: {found}, not {expected}");
        }
    }
}
