// What the kernels share: element types, sums over the threads of a block, and how a kernel gets its name.
//
// Every kernel is a template over its element type, computes in f32 (f64 for double), and is named for the launcher by
// NAMED: on a device `extern "C"` entries of PTX, under a host compiler entries of a table that a test calls.

#pragma once

#ifdef KERNELS_ON_HOST
// Threads, blocks and 16-bit numbers, as a test supplies them.
#include "host.hpp"
#define FOR_DOUBLE(...) __VA_ARGS__
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define NAMED(name, parameters, call) \
    extern "C" __global__ void name parameters { call; }
// Doubles are for proofs: a device is given f32 and 16 bits.
#define FOR_DOUBLE(...)
#endif

typedef unsigned long long u64;
typedef unsigned char u8;

// The type in which a kernel computes.
template <typename T> struct Working { typedef float type; };
template <> struct Working<double> { typedef double type; };

__device__ inline float widened(float x) { return x; }
__device__ inline double widened(double x) { return x; }
__device__ inline float widened(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline float widened(__half x) { return __half2float(x); }

// Rounds to nearest, ties to even.
template <typename T> __device__ inline T narrowed(double x) { return T(x); }
template <typename T> __device__ inline T narrowed(float x) { return T(x); }
template <> __device__ inline __nv_bfloat16 narrowed<__nv_bfloat16>(float x) { return __float2bfloat16_rn(x); }
template <> __device__ inline __half narrowed<__half>(float x) { return __float2half_rn(x); }

__device__ inline float lowest(float) { return -3.402823466e+38f; }
__device__ inline double lowest(double) { return -1.7976931348623157e+308; }

// The sum over the 32 threads of a warp, for each of them.
template <typename W> __device__ inline W warp_sum(W value) {
    for (int by = 16; by > 0; by /= 2) value += __shfl_xor_sync(0xffffffffu, value, by);
    return value;
}

template <typename W> __device__ inline W warp_max(W value) {
    for (int by = 16; by > 0; by /= 2) {
        W other = __shfl_xor_sync(0xffffffffu, value, by);
        value = other > value ? other : value;
    }
    return value;
}

// The sum over all threads of a block (whole warps), for each of them, in an order that never changes.
template <typename W> __device__ inline W block_sum(W value) {
    __shared__ W parts[32];
    value = warp_sum(value);
    // The parts of the sum before may still be read.
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    W total = 0;
    for (unsigned warp = 0; warp < blockDim.x / 32; warp++) total += parts[warp];
    return total;
}

template <typename W> __device__ inline W block_max(W value) {
    __shared__ W parts[32];
    value = warp_max(value);
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
    __syncthreads();
    W highest = parts[0];
    for (unsigned warp = 1; warp < blockDim.x / 32; warp++) highest = parts[warp] > highest ? parts[warp] : highest;
    return highest;
}
