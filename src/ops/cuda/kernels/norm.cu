// Layer norm of x, or of a + b, and root-mean-square norm: one block for each row of n elements, forward and backward.

#include "common.cuh"

template <typename T> struct Row {
    typedef typename Working<T>::type W;
    const T* a;
    // May be null.
    const T* b;

    __device__ Row(const T* a, const T* b, unsigned n)
        : a(a + size_t(blockIdx.x) * n), b(b ? b + size_t(blockIdx.x) * n : nullptr) {}

    __device__ W operator[](unsigned i) const { return b ? widened(a[i]) + widened(b[i]) : widened(a[i]); }
};

// Mean and 1 / sqrt(var + epsilon), in two passes.
template <typename T>
__device__ inline void moments(
    const Row<T>& x, unsigned n, double epsilon, typename Working<T>::type& mean, typename Working<T>::type& inverse) {
    typedef typename Working<T>::type W;
    W total = 0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) total += x[i];
    mean = block_sum(total) / W(n);
    W squares = 0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) squares += (x[i] - mean) * (x[i] - mean);
    inverse = W(1) / sqrt(block_sum(squares) / W(n) + W(epsilon));
}

// y = (x - mean) inverse weight + bias, x = a + b; b may be null.
template <typename T>
__device__ void layer_norm_forward(
    const T* a, const T* b, const T* weight, const T* bias, T* y, unsigned n, double epsilon) {
    typedef typename Working<T>::type W;
    Row<T> x(a, b, n);
    W mean, inverse;
    moments(x, n, epsilon, mean, inverse);
    y += size_t(blockIdx.x) * n;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        y[i] = narrowed<T>((x[i] - mean) * inverse * widened(weight[i]) + widened(bias[i]));
    }
}

// dx = (g - mean(g) - xhat mean(g xhat)) inverse, with g = dy weight: the gradient of a, and of b too.
template <typename T>
__device__ void layer_norm_backward(
    const T* a, const T* b, const T* weight, const T* dy, T* dx, unsigned n, double epsilon) {
    typedef typename Working<T>::type W;
    Row<T> x(a, b, n);
    W mean, inverse;
    moments(x, n, epsilon, mean, inverse);
    dy += size_t(blockIdx.x) * n;
    dx += size_t(blockIdx.x) * n;
    W by_one = 0, by_x = 0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        W g = widened(dy[i]) * widened(weight[i]);
        by_one += g;
        by_x += g * (x[i] - mean) * inverse;
    }
    by_one = block_sum(by_one) / W(n);
    by_x = block_sum(by_x) / W(n);
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        W g = widened(dy[i]) * widened(weight[i]);
        dx[i] = narrowed<T>((g - by_one - (x[i] - mean) * inverse * by_x) * inverse);
    }
}

// 1 / sqrt(mean(x^2) + epsilon).
template <typename T>
__device__ inline typename Working<T>::type inverse_root(const Row<T>& x, unsigned n, double epsilon) {
    typedef typename Working<T>::type W;
    W squares = 0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) squares += x[i] * x[i];
    return W(1) / sqrt(block_sum(squares) / W(n) + W(epsilon));
}

// y = x / rms weight.
template <typename T>
__device__ void rms_norm_forward(const T* a, const T* weight, T* y, unsigned n, double epsilon) {
    Row<T> x(a, nullptr, n);
    typename Working<T>::type inverse = inverse_root(x, n, epsilon);
    y += size_t(blockIdx.x) * n;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) y[i] = narrowed<T>(x[i] * inverse * widened(weight[i]));
}

// dx = (g - xhat mean(g xhat)) / rms, with g = dy weight.
template <typename T>
__device__ void rms_norm_backward(const T* a, const T* weight, const T* dy, T* dx, unsigned n, double epsilon) {
    typedef typename Working<T>::type W;
    Row<T> x(a, nullptr, n);
    W inverse = inverse_root(x, n, epsilon);
    dy += size_t(blockIdx.x) * n;
    dx += size_t(blockIdx.x) * n;
    W by_x = 0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        by_x += widened(dy[i]) * widened(weight[i]) * x[i] * inverse;
    }
    by_x = block_sum(by_x) / W(n);
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        dx[i] = narrowed<T>((widened(dy[i]) * widened(weight[i]) - x[i] * inverse * by_x) * inverse);
    }
}

#define NORMS(T, kind)                                                                                             \
    NAMED(layer_norm_forward_##kind,                                                                               \
        (const T* a, const T* b, const T* weight, const T* bias, T* y, unsigned n, double epsilon),                \
        layer_norm_forward<T>(a, b, weight, bias, y, n, epsilon))                                                  \
    NAMED(layer_norm_backward_##kind,                                                                              \
        (const T* a, const T* b, const T* weight, const T* dy, T* dx, unsigned n, double epsilon),                 \
        layer_norm_backward<T>(a, b, weight, dy, dx, n, epsilon))                                                  \
    NAMED(rms_norm_forward_##kind, (const T* x, const T* weight, T* y, unsigned n, double epsilon),                \
        rms_norm_forward<T>(x, weight, y, n, epsilon))                                                             \
    NAMED(rms_norm_backward_##kind, (const T* x, const T* weight, const T* dy, T* dx, unsigned n, double epsilon), \
        rms_norm_backward<T>(x, weight, dy, dx, n, epsilon))

NORMS(float, f32)
NORMS(__nv_bfloat16, bf16)
FOR_DOUBLE(NORMS(double, f64))
