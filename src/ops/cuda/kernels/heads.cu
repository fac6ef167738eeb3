// Rows of heads as the linear layers leave them, (batch, length, heads x d), and heads as products take them,
// (batch, heads, length, d) or (heads, batch, length, d), turned by rotary positions on the way. Up to three operands in one launch: queries, keys and
// values, block (row, operand).

#include "common.cuh"

// `split`: from rows to heads, turned; else from heads to rows, turned back. A row of queries begins every `query_row`
// elements, one of keys every `key_row`, of values every `value_row`. `cosines` and `sines` (length, half) may be null: nothing is turned.
// Values are not turned.
template <typename T, typename W>
__device__ void move_heads(
    bool split, T* q_rows, T* k_rows, T* v_rows, W* q_heads, W* k_heads, W* v_heads, const W* cosines, const W* sines,
    unsigned query_row, unsigned key_row, unsigned value_row, unsigned queries, unsigned keys, unsigned heads,
    unsigned kv_heads, unsigned d, unsigned half, bool heads_first) {
    bool is_query = blockIdx.y == 0;
    unsigned row = is_query ? query_row : blockIdx.y == 1 ? key_row : value_row;
    unsigned batches = gridDim.x / (queries > keys ? queries : keys);
    unsigned length = is_query ? queries : keys;
    unsigned batch = blockIdx.x / (queries > keys ? queries : keys);
    unsigned place = blockIdx.x % (queries > keys ? queries : keys);
    if (place >= length) return;
    unsigned count = is_query ? heads : kv_heads;
    T* rows = is_query ? q_rows : blockIdx.y == 1 ? k_rows : v_rows;
    W* packed = is_query ? q_heads : blockIdx.y == 1 ? k_heads : v_heads;
    rows += (size_t(batch) * length + place) * row;
    bool turns = cosines && blockIdx.y != 2;
    for (unsigned i = threadIdx.x; i < count * d; i += blockDim.x) {
        unsigned head = i / d, within = i % d;
        size_t block = heads_first ? size_t(head) * batches + batch : size_t(batch) * count + head;
        size_t at = (block * length + place) * d + within;
        W value = split ? W(widened(rows[i])) : packed[at];
        if (turns && within < 2 * half) {
            bool is_first = within < half;
            unsigned pair = is_first ? within : within - half;
            W cosine = cosines[size_t(place) * half + pair];
            W sine = sines[size_t(place) * half + pair];
            // Back is the turn by the opposite angle.
            if (is_first == split) sine = -sine;
            W other = is_first ? (split ? W(widened(rows[i + half])) : packed[at + half])
                               : (split ? W(widened(rows[i - half])) : packed[at - half]);
            value = value * cosine + other * sine;
        }
        if (split) {
            packed[at] = value;
        } else {
            rows[i] = narrowed<T>(value);
        }
    }
}

#define HEADS(T, W, kind)                                                                                            \
    NAMED(split_heads_##kind,                                                                                        \
        (T* q_rows, T* k_rows, T* v_rows, W* q_heads, W* k_heads, W* v_heads, const W* cosines, const W* sines,      \
            unsigned query_row, unsigned key_row, unsigned value_row, unsigned queries, unsigned keys,               \
            unsigned heads, unsigned kv_heads, unsigned d, unsigned half, unsigned heads_first),                     \
        (move_heads<T, W>(true, q_rows, k_rows, v_rows, q_heads, k_heads, v_heads, cosines, sines, query_row,        \
            key_row, value_row, queries, keys, heads, kv_heads, d, half, heads_first != 0)))                                                      \
    NAMED(merge_heads_##kind,                                                                                        \
        (T* q_rows, T* k_rows, T* v_rows, W* q_heads, W* k_heads, W* v_heads, const W* cosines, const W* sines,      \
            unsigned query_row, unsigned key_row, unsigned value_row, unsigned queries, unsigned keys,               \
            unsigned heads, unsigned kv_heads, unsigned d, unsigned half, unsigned heads_first),                     \
        (move_heads<T, W>(false, q_rows, k_rows, v_rows, q_heads, k_heads, v_heads, cosines, sines, query_row,       \
            key_row, value_row, queries, keys, heads, kv_heads, d, half, heads_first != 0)))

HEADS(float, float, f32)
HEADS(__nv_bfloat16, float, bf16)
FOR_DOUBLE(HEADS(double, double, f64))
