// Attention probabilities from scores, and the gradient of the scores from that of the probabilities: one warp for each
// row of scores.

#include "mask.cuh"

// Which rows of scores a launch has. A group is a key head of a row of the batch with the query heads that share it; its
// scores are (query heads x queries, keys). The launch has rows `first_row..first_row + rows` of groups from
// `first_group` on, one group after the other. Groups are numbered by row of the batch, then head, or, where `batch` is
// not 0 but its size, by head, then row of the batch.
struct Chunk {
    unsigned first_group, first_row, rows, groups;
    unsigned queries, keys, query_heads, kv_heads, batch;
};

struct Place {
    bool exists;
    // Of the row in the launch's scores.
    size_t row;
    unsigned batch, query;
    // Number of the row's first dropout factor.
    u64 factor;

    __device__ explicit Place(const Chunk& chunk) {
        row = size_t(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
        exists = row < size_t(chunk.groups) * chunk.rows;
        unsigned group = chunk.first_group + unsigned(row / chunk.rows);
        unsigned within = chunk.first_row + unsigned(row % chunk.rows);
        unsigned kv_head = chunk.batch ? group / chunk.batch : group % chunk.kv_heads;
        batch = chunk.batch ? group % chunk.batch : group / chunk.kv_heads;
        query = within % chunk.queries;
        unsigned head = kv_head * chunk.query_heads + within / chunk.queries;
        factor = ((u64(batch) * chunk.kv_heads * chunk.query_heads + head) * chunk.queries + query) * chunk.keys;
    }
};

// Probabilities in the place of the scores, 0 outside of what the query sees.
//
// A query sees keys `first` (batch, queries) to its own place where there is a `first` (causal: the queries are the last
// places of the keys), else those at most `window` away. A key whose `mask` (batch, keys; may be null) is 0 is padding.
// Scores become cap tanh(score / cap) where cap > 0; `passed` then gets 1 - (score / cap)^2. With `dropped` it gets the
// probabilities times their dropout factors, and without it the scores' place does, where limit > 0.
template <typename W>
__device__ void attention_softmax(
    W* scores, W* dropped, W* passed, const u8* mask, const unsigned* first, Chunk chunk, unsigned window, double cap,
    u64 key, unsigned limit, double scale, bool keeps) {
    Place place(chunk);
    // Whole warps: none of its threads is missing from a sum.
    if (!place.exists) return;
    unsigned lane = threadIdx.x % 32, keys = chunk.keys;
    scores += place.row * keys;
    if (dropped) dropped += place.row * keys;
    if (passed) passed += place.row * keys;
    if (mask) mask += size_t(place.batch) * keys;
    unsigned begin, end;
    if (first) {
        unsigned at = keys - chunk.queries + place.query;
        unsigned from = first[size_t(place.batch) * chunk.queries + place.query];
        begin = from < at ? from : at;
        end = at + 1;
    } else {
        begin = place.query > window ? place.query - window : 0;
        end = keys - place.query > window ? place.query + window + 1 : keys;
    }
    W highest = lowest(W(0));
    for (unsigned j = begin + lane; j < end; j += 32) {
        W score = scores[j];
        if (cap > 0) {
            W share = tanh(score * W(1.0 / cap));
            score = W(cap) * share;
            if (passed) passed[j] = W(1) - share * share;
        }
        if (mask && mask[j] == 0) score = lowest(W(0));
        scores[j] = score;
        highest = score > highest ? score : highest;
    }
    highest = warp_max(highest);
    W total = 0;
    for (unsigned j = begin + lane; j < end; j += 32) {
        W share = exp(scores[j] - highest);
        scores[j] = share;
        total += share;
    }
    W inverse = W(1) / warp_sum(total);
    for (unsigned j = lane; j < begin; j += 32) {
        scores[j] = W(0);
        if (dropped) dropped[j] = W(0);
        if (passed) passed[j] = W(0);
    }
    for (unsigned j = begin + lane; j < end; j += 32) {
        W probability = scores[j] * inverse;
        W rest = limit > 0 ? probability * dropout_factor<W>(key, place.factor + j, limit, W(scale)) : probability;
        scores[j] = keeps ? probability : rest;
        if (dropped) dropped[j] = rest;
    }
    for (unsigned j = end + lane; j < keys; j += 32) {
        scores[j] = W(0);
        if (dropped) dropped[j] = W(0);
        if (passed) passed[j] = W(0);
    }
}

// dS = P (dP R - sum(dP R P)), times `passed` where there is one, in the place of dP; R are the dropout factors.
template <typename W>
__device__ void attention_slopes(
    const W* probabilities, W* slopes, const W* passed, Chunk chunk, u64 key, unsigned limit, double scale) {
    Place place(chunk);
    if (!place.exists) return;
    unsigned lane = threadIdx.x % 32, keys = chunk.keys;
    probabilities += place.row * keys;
    slopes += place.row * keys;
    if (passed) passed += place.row * keys;
    W dot = 0;
    for (unsigned j = lane; j < keys; j += 32) {
        W slope = slopes[j];
        if (limit > 0) {
            slope *= dropout_factor<W>(key, place.factor + j, limit, W(scale));
            slopes[j] = slope;
        }
        dot += slope * probabilities[j];
    }
    dot = warp_sum(dot);
    for (unsigned j = lane; j < keys; j += 32) {
        W slope = probabilities[j] * (slopes[j] - dot);
        slopes[j] = passed ? slope * passed[j] : slope;
    }
}

#define ATTENTION(W, kind)                                                                                          \
    NAMED(attention_softmax_##kind,                                                                                 \
        (W* scores, W* dropped, W* passed, const u8* mask, const unsigned* first, unsigned first_group,             \
            unsigned first_row, unsigned rows, unsigned groups, unsigned queries, unsigned keys,                    \
            unsigned query_heads, unsigned kv_heads, unsigned batch, unsigned window, double cap, u64 key,          \
            unsigned limit, double scale, unsigned keeps),                                                          \
        attention_softmax<W>(scores, dropped, passed, mask, first,                                                  \
            Chunk{first_group, first_row, rows, groups, queries, keys, query_heads, kv_heads, batch}, window, cap,  \
            key, limit, scale, keeps != 0))                                                                         \
    NAMED(attention_slopes_##kind,                                                                                  \
        (const W* probabilities, W* slopes, const W* passed, unsigned first_group, unsigned first_row,              \
            unsigned rows, unsigned groups, unsigned queries, unsigned keys, unsigned query_heads,                  \
            unsigned kv_heads, unsigned batch, u64 key, unsigned limit, double scale),                              \
        attention_slopes<W>(probabilities, slopes, passed,                                                          \
            Chunk{first_group, first_row, rows, groups, queries, keys, query_heads, kv_heads, batch}, key, limit,   \
            scale))

ATTENTION(float, f32)
FOR_DOUBLE(ATTENTION(double, f64))
