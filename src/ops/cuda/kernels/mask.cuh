// The replayable dropout mask of ops/dropout.rs, bit for bit.

#pragma once
#include "common.cuh"

// The finaliser of MurmurHash3, twice keyed.
__device__ inline u64 mix(u64 counter) {
    u64 x = counter * 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
    return x ^ (x >> 33);
}

// 0 where element i is dropped, else `scale`, which is 1 / (1 - p).
template <typename W> __device__ inline W dropout_factor(u64 key, u64 i, unsigned limit, W scale) {
    return unsigned(mix(key ^ i) >> 32) >= limit ? scale : W(0);
}
