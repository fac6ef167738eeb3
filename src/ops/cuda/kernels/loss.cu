// Cross-entropy over a vocabulary: rows of logits become the gradient of their loss, one block for each row.

#include "common.cuh"

// softmax - target distribution of a row of n logits, through the cap where cap > 0, in the type in which it is used
// next (`slopes` may be the logits' own place), and the row's loss. `smoothing` is spread evenly over all ids.
template <typename W, typename O>
__device__ void logit_slopes(
    W* logits, O* slopes, const unsigned* targets, double* losses, unsigned n, double cap, double smoothing) {
    logits += size_t(blockIdx.x) * n;
    slopes += size_t(blockIdx.x) * n;
    unsigned target = targets[blockIdx.x];
    const W everywhere = W(smoothing / n), besides = W(1.0 - smoothing);
    W highest = lowest(W(0)), all = 0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        W x = logits[i];
        if (cap > 0) {
            x = W(cap) * tanh(x * W(1.0 / cap));
            logits[i] = x;
        }
        highest = x > highest ? x : highest;
        all += x;
    }
    highest = block_max(highest);
    // After this every thread sees the capped logit of the target.
    all = block_sum(all);
    W of_target = logits[target];
    W total = 0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) total += exp(logits[i] - highest);
    // Before the first slope is written, every thread has read the target's logit.
    total = block_sum(total);
    W inverse = W(1) / total;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        W x = logits[i];
        W slope = exp(x - highest) * inverse - everywhere;
        if (i == target) slope -= besides;
        if (cap > 0) slope *= W(1) - x * W(1.0 / cap) * (x * W(1.0 / cap));
        slopes[i] = narrowed<O>(slope);
    }
    if (threadIdx.x == 0) {
        W expected = besides * of_target;
        if (smoothing > 0) expected += everywhere * all;
        losses[blockIdx.x] = double(log(total) + highest - expected);
    }
}

// The sum of all losses; one block.
template <typename T> __device__ void sum_losses(const double* losses, T* sum, unsigned count) {
    double total = 0;
    for (unsigned i = threadIdx.x; i < count; i += blockDim.x) total += losses[i];
    total = block_sum(total);
    if (threadIdx.x == 0) *sum = T(total);
}

#define SLOPES(W, kind_in, O, kind_out)                                                                        \
    NAMED(logit_slopes_##kind_in##_##kind_out,                                                                 \
        (W* logits, O* slopes, const unsigned* targets, double* losses, unsigned n, double cap,                \
            double smoothing),                                                                                 \
        (logit_slopes<W, O>(logits, slopes, targets, losses, n, cap, smoothing)))

#define LOSSES(W, kind)                                                                                        \
    SLOPES(W, kind, W, kind)                                                                                   \
    NAMED(sum_losses_##kind, (const double* losses, W* sum, unsigned count), sum_losses<W>(losses, sum, count))

LOSSES(float, f32)
SLOPES(float, f32, __nv_bfloat16, bf16)
FOR_DOUBLE(LOSSES(double, f64))
