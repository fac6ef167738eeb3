// Dropout, rotary positions, roundings to 16 bits, and rows of a bias.

#include "mask.cuh"

// y = x factor(i); its own gradient, too.
template <typename T>
__device__ void dropout(const T* x, T* y, u64 count, u64 key, unsigned limit, double scale) {
    typedef typename Working<T>::type W;
    for (u64 i = u64(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += u64(gridDim.x) * blockDim.x) {
        y[i] = narrowed<T>(widened(x[i]) * dropout_factor<W>(key, i, limit, W(scale)));
    }
}

// Turns every head of a row of n elements by the row's place: element i with element i + half, the rest is copied.
// `cosines` and `sines` (places, half); `direction` 1 or, back, -1. One block for each row.
template <typename T, typename C>
__device__ void rotate(
    const T* x, T* y, const unsigned* places, const C* cosines, const C* sines, unsigned n, unsigned width,
    unsigned half, double direction) {
    typedef typename Working<T>::type W;
    size_t start = size_t(blockIdx.x) * n;
    size_t table = size_t(places[blockIdx.x]) * half;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        unsigned within = i % width;
        W value = widened(x[start + i]);
        if (within < half) {
            W sine = W(sines[table + within]) * W(direction);
            value = value * W(cosines[table + within]) - widened(x[start + i + half]) * sine;
        } else if (within < 2 * half) {
            W sine = W(sines[table + within - half]) * W(direction);
            value = value * W(cosines[table + within - half]) + widened(x[start + i - half]) * sine;
        }
        y[start + i] = narrowed<T>(value);
    }
}

template <typename T, typename O> __device__ void convert(const T* x, O* y, u64 count) {
    for (u64 i = u64(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += u64(gridDim.x) * blockDim.x) {
        y[i] = narrowed<O>(widened(x[i]));
    }
}

// Every row of y (rows, n) becomes the bias, which a product then adds to. One block for each row.
template <typename B, typename T> __device__ void repeat_rows(const B* bias, T* y, unsigned n) {
    y += size_t(blockIdx.x) * n;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) y[i] = narrowed<T>(widened(bias[i]));
}

// Rows of n for a product in f16, whose range is small: each is multiplied by the power of two that brings its largest
// element to between 2^14 and 2^15, so that nothing overflows and the small gradients of a mean over many tokens do not
// vanish. `scales` gets what a row of the product is to be multiplied by. One block for each row.
template <typename T> __device__ void convert_rows(const T* x, __half* y, float* scales, unsigned n) {
    x += size_t(blockIdx.x) * n;
    y += size_t(blockIdx.x) * n;
    float largest = 0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        float size = fabs(widened(x[i]));
        largest = size > largest ? size : largest;
    }
    largest = block_max(largest);
    // Of 0, and of what is not finite, nothing is changed; the power and its inverse are numbers of f32 in any case.
    int exponent = largest > 0 && largest <= 3.402823466e+38f ? 14 - ilogb(largest) : 0;
    exponent = exponent < -100 ? -100 : exponent > 100 ? 100 : exponent;
    float scale = ldexp(1.0f, exponent);
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) y[i] = narrowed<__half>(widened(x[i]) * scale);
    if (threadIdx.x == 0) scales[blockIdx.x] = ldexp(1.0f, -exponent);
}

// y (rows, n) = y scale + bias, in place, the scale of each row; the bias may be null. One block for each row.
template <typename B> __device__ void finish_rows(float* y, const float* scales, const B* bias, unsigned n) {
    y += size_t(blockIdx.x) * n;
    float scale = scales[blockIdx.x];
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) y[i] = y[i] * scale + (bias ? widened(bias[i]) : 0.0f);
}

#define ELEMENTWISE(T, C, kind)                                                                                \
    NAMED(dropout_##kind, (const T* x, T* y, u64 count, u64 key, unsigned limit, double scale),                \
        dropout<T>(x, y, count, key, limit, scale))                                                            \
    NAMED(rotate_##kind,                                                                                       \
        (const T* x, T* y, const unsigned* places, const C* cosines, const C* sines, unsigned n,               \
            unsigned width, unsigned half, double direction),                                                  \
        (rotate<T, C>(x, y, places, cosines, sines, n, width, half, direction)))

#define FROM_TO(T, kind_in, O, kind_out)                                               \
    NAMED(convert_##kind_in##_##kind_out, (const T* x, O* y, u64 count),               \
        (convert<T, O>(x, y, count)))                                                  \
    NAMED(repeat_rows_##kind_in##_##kind_out, (const T* bias, O* y, unsigned n),       \
        (repeat_rows<T, O>(bias, y, n)))

ELEMENTWISE(float, float, f32)
ELEMENTWISE(__nv_bfloat16, float, bf16)
FOR_DOUBLE(ELEMENTWISE(double, double, f64))
FROM_TO(float, f32, __nv_bfloat16, bf16)
FROM_TO(float, f32, float, f32)
FROM_TO(__nv_bfloat16, bf16, float, f32)
FROM_TO(__nv_bfloat16, bf16, __nv_bfloat16, bf16)
FROM_TO(__half, f16, float, f32)
FOR_DOUBLE(FROM_TO(double, f64, double, f64))

NAMED(convert_rows_f32_f16, (const float* x, __half* y, float* scales, unsigned n), convert_rows<float>(x, y, scales, n))

#define FINISH(B, kind)                                                                         \
    NAMED(finish_rows_##kind, (float* y, const float* scales, const B* bias, unsigned n),       \
        finish_rows<B>(y, scales, bias, n))

FINISH(float, f32)
FINISH(__nv_bfloat16, bf16)
FINISH(__half, f16)
