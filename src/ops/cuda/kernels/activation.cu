// Non-linearities: alone, behind a bias, and with a gate. One block for each row, or a grid over all elements.

#include "common.cuh"

// The curves of ops/activation.rs, in its order.
enum Curve { GELU = 0, GELU_TANH = 1, SILU = 2 };

// Value and derivative.
template <typename W> __device__ inline void curve(unsigned kind, W x, W& value, W& slope) {
    const W half = W(0.5);
    if (kind == GELU) {
        // x Phi(x), and Phi(x) + x phi(x).
        W cumulative = half * (W(1) + erf(x * W(0.70710678118654752440)));
        W density = W(0.39894228040143267794) * exp(-half * x * x);
        value = x * cumulative;
        slope = cumulative + x * density;
    } else if (kind == GELU_TANH) {
        const W scale = W(0.79788456080286535588), cubic = W(0.044715);
        W bent = tanh(scale * (x + cubic * x * x * x));
        W share = half * (W(1) + bent);
        value = x * share;
        slope = share + half * x * (W(1) - bent * bent) * scale * (W(1) + W(3) * cubic * x * x);
    } else {
        W share = W(1) / (W(1) + exp(-x));
        value = x * share;
        slope = share * (W(1) + x * (W(1) - share));
    }
}

__device__ inline u64 first_element() { return u64(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline u64 all_threads() { return u64(gridDim.x) * blockDim.x; }

template <typename T> __device__ void curve_forward(const T* x, T* y, u64 count, unsigned kind) {
    typedef typename Working<T>::type W;
    for (u64 i = first_element(); i < count; i += all_threads()) {
        W value, slope;
        curve<W>(kind, widened(x[i]), value, slope);
        y[i] = narrowed<T>(value);
    }
}

// dx = dy curve'(x), in the type in which it is used next.
template <typename T, typename O>
__device__ void curve_backward(const T* x, const T* dy, O* dx, u64 count, unsigned kind) {
    typedef typename Working<T>::type W;
    for (u64 i = first_element(); i < count; i += all_threads()) {
        W value, slope;
        curve<W>(kind, widened(x[i]), value, slope);
        dx[i] = narrowed<O>(widened(dy[i]) * slope);
    }
}

// Rows of n units: units + bias in their place, and the curve of that in the type in which it is used next. The bias may
// be null.
template <typename T, typename O>
__device__ void biased_curve(T* units, const T* bias, O* values, unsigned n, unsigned kind) {
    typedef typename Working<T>::type W;
    size_t start = size_t(blockIdx.x) * n;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        W x = widened(units[start + i]);
        if (bias) {
            x += widened(bias[i]);
            units[start + i] = narrowed<T>(x);
        }
        W value, slope;
        curve<W>(kind, x, value, slope);
        values[start + i] = narrowed<O>(value);
    }
}

// y = curve(units) gates: rows of n, which begin `stride` apart in units and gates.
template <typename T>
__device__ void gate_forward(const T* units, const T* gates, T* y, unsigned n, unsigned stride, unsigned kind) {
    typedef typename Working<T>::type W;
    size_t from = size_t(blockIdx.x) * stride, to = size_t(blockIdx.x) * n;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        W value, slope;
        curve<W>(kind, widened(units[from + i]), value, slope);
        y[to + i] = narrowed<T>(value * widened(gates[from + i]));
    }
}

template <typename T>
__device__ void gate_backward(
    const T* units, const T* gates, const T* dy, T* d_units, T* d_gates, unsigned n, unsigned stride, unsigned kind) {
    typedef typename Working<T>::type W;
    size_t from = size_t(blockIdx.x) * stride, to = size_t(blockIdx.x) * n;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        W value, slope, g = widened(dy[to + i]);
        curve<W>(kind, widened(units[from + i]), value, slope);
        d_units[from + i] = narrowed<T>(g * widened(gates[from + i]) * slope);
        d_gates[from + i] = narrowed<T>(g * value);
    }
}

#define CURVE_BETWEEN(T, kind_in, O, kind_out)                                              \
    NAMED(curve_backward_##kind_in##_##kind_out,                                            \
        (const T* x, const T* dy, O* dx, u64 count, unsigned kind),                         \
        (curve_backward<T, O>(x, dy, dx, count, kind)))                                     \
    NAMED(biased_curve_##kind_in##_##kind_out,                                              \
        (T* units, const T* bias, O* values, unsigned n, unsigned kind),                    \
        (biased_curve<T, O>(units, bias, values, n, kind)))

#define CURVES(T, kind)                                                                                     \
    NAMED(curve_forward_##kind, (const T* x, T* y, u64 count, unsigned curve),                              \
        curve_forward<T>(x, y, count, curve))                                                               \
    NAMED(gate_forward_##kind,                                                                              \
        (const T* units, const T* gates, T* y, unsigned n, unsigned stride, unsigned curve),                \
        gate_forward<T>(units, gates, y, n, stride, curve))                                                 \
    NAMED(gate_backward_##kind,                                                                             \
        (const T* units, const T* gates, const T* dy, T* d_units, T* d_gates, unsigned n, unsigned stride,  \
            unsigned curve),                                                                                \
        gate_backward<T>(units, gates, dy, d_units, d_gates, n, stride, curve))                             \
    CURVE_BETWEEN(T, kind, T, kind)

CURVES(float, f32)
CURVES(__nv_bfloat16, bf16)
CURVE_BETWEEN(float, f32, __nv_bfloat16, bf16)
FOR_DOUBLE(CURVES(double, f64))
