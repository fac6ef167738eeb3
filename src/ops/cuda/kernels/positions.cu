// DeBERTa's relative positions: what they add to scores, and the gradients of that: one warp for each row. Query i and key
// j of `length` have the place length - 1 + i - j, and each place has a row of the position tables.

#include "common.cuh"

// scores (groups, length, length) += scale (by_query[i, r] + by_key[j, r]), r the row of the place of i and j. by_query and
// by_key (groups, length, rows) may be null.
template <typename W>
__device__ void add_positions(
    W* scores, const W* by_query, const W* by_key, const unsigned* index, unsigned rows, unsigned length, u64 count,
    double scale) {
    u64 row = u64(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
    if (row >= count) return;
    unsigned i = unsigned(row % length);
    u64 first = row - i;
    for (unsigned j = threadIdx.x % 32; j < length; j += 32) {
        unsigned r = index[length - 1 + i - j];
        W sum = 0;
        if (by_query) sum += by_query[row * rows + r];
        if (by_key) sum += by_key[(first + j) * rows + r];
        scores[row * length + j] += W(scale) * sum;
    }
}

// The gradient of by_query or of by_key (groups, length, rows) from that of the scores: element (t, r) is the sum of the
// slopes of query t, or key t, whose places have row r. Those are places[starts[r]..starts[r + 1]], in an order that never
// changes; rows from `known` on have none.
template <typename W>
__device__ void gather_slopes(
    const W* slopes, W* sums, const unsigned* starts, const unsigned* places, unsigned known, unsigned rows,
    unsigned length, u64 count, bool is_by_key) {
    u64 row = u64(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
    if (row >= count) return;
    unsigned t = unsigned(row % length);
    u64 first = row - t;
    for (unsigned r = threadIdx.x % 32; r < rows; r += 32) {
        W sum = 0;
        for (unsigned at = r < known ? starts[r] : 0; r < known && at < starts[r + 1]; at++) {
            unsigned place = places[at];
            // place = length - 1 + i - j.
            if (is_by_key) {
                if (place + t >= length - 1 && place + t < 2 * length - 1) {
                    sum += slopes[(first + place + t - (length - 1)) * length + t];
                }
            } else if (place >= t && place < t + length) {
                sum += slopes[row * length + (t + length - 1 - place)];
            }
        }
        sums[row * rows + r] = sum;
    }
}

#define POSITIONS(W, kind)                                                                                        \
    NAMED(add_positions_##kind,                                                                                   \
        (W* scores, const W* by_query, const W* by_key, const unsigned* index, unsigned rows, unsigned length,    \
            u64 count, double scale),                                                                             \
        add_positions<W>(scores, by_query, by_key, index, rows, length, count, scale))                            \
    NAMED(gather_slopes_##kind,                                                                                   \
        (const W* slopes, W* sums, const unsigned* starts, const unsigned* places, unsigned known, unsigned rows, \
            unsigned length, u64 count, unsigned is_by_key),                                                      \
        gather_slopes<W>(slopes, sums, starts, places, known, rows, length, count, is_by_key != 0))

POSITIONS(float, f32)
FOR_DOUBLE(POSITIONS(double, f64))
