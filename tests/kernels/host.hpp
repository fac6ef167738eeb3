// What CUDA supplies to a kernel, for a host compiler: the threads of a block are fibres that run in turn up to a barrier
// or an exchange within a warp, blocks run one after the other. A barrier that not all threads reach, or an exchange that
// not all threads of a warp take part in, is an error.

#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#define __global__
#define __device__
#define __shared__ static

struct Index {
    unsigned x, y, z;
};
static Index threadIdx, blockIdx, blockDim, gridDim;

struct __nv_bfloat16 {
    uint16_t bits;
};
struct __half {
    uint16_t bits;
};

static inline float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
static inline uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}
static inline float __bfloat162float(__nv_bfloat16 x) { return float_of(uint32_t(x.bits) << 16); }
static inline __nv_bfloat16 __float2bfloat16_rn(float x) {
    uint32_t bits = bits_of(x);
    if (x != x) return {0x7fff};
    return {uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
static inline float __half2float(__half x) {
    float sign = x.bits >> 15 ? -1.0f : 1.0f;
    int exponent = x.bits >> 10 & 31, fraction = x.bits & 1023;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexpf(1024 + fraction, exponent - 25) : ldexpf(fraction, -24));
}
static inline __half __float2half_rn(float x) {
    uint16_t sign = uint16_t(bits_of(x) >> 16 & 0x8000);
    if (x != x) return {0x7fff};
    float size = fabsf(x);
    if (size >= 65520.0f) return {uint16_t(sign | 0x7c00)};
    int exponent = size < ldexpf(1, -14) ? -14 : ilogbf(size);
    // nearbyintf rounds ties to even; a carry moves on into the exponent by itself.
    int fraction = int(nearbyintf(ldexpf(size, 10 - exponent)));
    return {uint16_t(sign | (fraction + (size < ldexpf(1, -14) ? 0 : (exponent + 14) << 10)))};
}

namespace host {

enum State { RUNNING, AT_BARRIER, AT_EXCHANGE, DONE };

static const size_t STACK = 64 * 1024;

// A thread of a block, and of every block after it: what is left of one goes on as the next.
struct Fibre {
    ucontext_t context;
    jmp_buf place;
    std::unique_ptr<char[]> stack;
    bool has_started;
    State state;
    unsigned exchanges;
};

static std::deque<Fibre> fibres;
static jmp_buf scheduler;
static unsigned current;
// Two places for each thread, taken in turn: a value stays until its warp has read it.
static uint64_t exchanged[2][1024];
static void (*body)(void*);
static void* body_data;

// Back to the scheduler, until it comes again. Jumps, unlike swapcontext, ask nothing of the system.
static void wait(State state) {
    fibres[current].state = state;
    if (_setjmp(fibres[current].place) == 0) _longjmp(scheduler, 1);
}

static void start() {
    for (;;) {
        body(body_data);
        wait(DONE);
    }
}

static void resume(unsigned thread) {
    current = thread;
    threadIdx = {thread, 0, 0};
    if (_setjmp(scheduler) != 0) return;
    Fibre& fibre = fibres[thread];
    if (fibre.has_started) _longjmp(fibre.place, 1);
    fibre.has_started = true;
    setcontext(&fibre.context);
}

static void add_fibre() {
    fibres.emplace_back();
    Fibre& fibre = fibres.back();
    fibre.stack.reset(new char[STACK]);
    fibre.has_started = false;
    getcontext(&fibre.context);
    fibre.context.uc_stack.ss_sp = fibre.stack.get();
    fibre.context.uc_stack.ss_size = STACK;
    fibre.context.uc_link = nullptr;
    makecontext(&fibre.context, start, 0);
}

// How many of `from..to` are in this state.
static unsigned count(unsigned from, unsigned to, State state) {
    unsigned found = 0;
    for (unsigned i = from; i < to; i++) found += fibres[i].state == state;
    return found;
}

static void release(unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) {
        if (fibres[i].state != DONE) fibres[i].state = RUNNING;
    }
}

// A warp runs as far as it can before the next one does, so that a barrier that is missing shows. `backwards`: the order
// of warps, and of threads in them. Null, or what went wrong.
static const char* run_block(unsigned threads, bool backwards) {
    while (fibres.size() < threads) add_fibre();
    for (unsigned i = 0; i < threads; i++) {
        fibres[i].state = RUNNING;
        fibres[i].exchanges = 0;
    }
    while (count(0, threads, DONE) < threads) {
        for (unsigned turn = 0; turn < threads / 32; turn++) {
            unsigned warp = 32 * (backwards ? threads / 32 - 1 - turn : turn);
            while (count(warp, warp + 32, RUNNING) > 0) {
                for (unsigned lane = 0; lane < 32; lane++) {
                    unsigned thread = warp + (backwards ? 31 - lane : lane);
                    if (fibres[thread].state == RUNNING) resume(thread);
                }
                unsigned exchanging = count(warp, warp + 32, AT_EXCHANGE);
                if (exchanging == 32) {
                    release(warp, warp + 32);
                } else if (exchanging > 0) {
                    return "an exchange in which not the whole warp takes part";
                }
            }
        }
        unsigned waiting = count(0, threads, AT_BARRIER);
        if (waiting > 0 && waiting < threads) return "a barrier that not all threads reach";
        release(0, threads);
    }
    return nullptr;
}

struct Entry {
    std::string file, kinds;
    void (*call)(void*, void**);
    void* function;
};

inline std::map<std::string, Entry>& entries() {
    static std::map<std::string, Entry> all;
    return all;
}

template <typename T> struct Letter { static const char value = '?'; };
template <typename T> struct Letter<T*> { static const char value = 'p'; };
template <> struct Letter<unsigned> { static const char value = 'u'; };
template <> struct Letter<unsigned long long> { static const char value = 'l'; };
template <> struct Letter<double> { static const char value = 'd'; };

template <typename... A> struct Caller {
    template <size_t... I> static void spread(void (*f)(A...), void** values, std::index_sequence<I...>) {
        f(*static_cast<A*>(values[I])...);
    }
    static void call(void* f, void** values) {
        spread(reinterpret_cast<void (*)(A...)>(f), values, std::index_sequence_for<A...>());
    }
};

struct Registration {
    template <typename... A> Registration(const char* name, const char* file, void (*f)(A...)) {
        std::string kinds{Letter<A>::value...};
        entries()[name] = {file, kinds, Caller<A...>::call, reinterpret_cast<void*>(f)};
    }
};

struct Bound {
    const Entry* entry;
    void** values;
};

}  // namespace host

static inline void __syncthreads() { host::wait(host::AT_BARRIER); }

template <typename T> static T __shfl_xor_sync(unsigned, T value, int by) {
    unsigned me = host::current;
    uint64_t* values = host::exchanged[host::fibres[me].exchanges++ % 2];
    memcpy(&values[me], &value, sizeof(T));
    host::wait(host::AT_EXCHANGE);
    T other;
    memcpy(&other, &values[me ^ unsigned(by)], sizeof(T));
    return other;
}

#define NAMED(name, parameters, call)        \
    static void name parameters { call; }    \
    static host::Registration registration_of_##name(#name, __FILE__, name);

// Runs a kernel of the file `module`.cu. `kinds` has a letter for each argument: p(ointer), u(nsigned), l(ong), d(ouble). Null, or what is wrong.
extern "C" const char* run_kernel(
    const char* module, const char* name, const char* kinds, void** values, unsigned blocks_x, unsigned blocks_y,
    unsigned threads, int backwards) {
    static std::string message;
    auto found = host::entries().find(name);
    if (found == host::entries().end()) return "there is no such kernel";
    std::string file = std::string("/") + module + ".cu", whole = "/" + found->second.file;
    if (whole.size() < file.size() || whole.substr(whole.size() - file.size()) != file) {
        return "it is in another file";
    }
    if (found->second.kinds != kinds) {
        message = "its arguments are " + found->second.kinds + ", not " + kinds;
        return message.c_str();
    }
    if (threads == 0 || threads % 32 || threads > 1024 || blocks_y > 65535) return "a launch that no device takes";
    static host::Bound bound;
    bound = {&found->second, values};
    host::body = [](void* data) {
        auto* bound = static_cast<host::Bound*>(data);
        bound->entry->call(bound->entry->function, bound->values);
    };
    host::body_data = &bound;
    gridDim = {blocks_x, blocks_y, 1};
    blockDim = {threads, 1, 1};
    for (unsigned y = 0; y < blocks_y; y++) {
        for (unsigned x = 0; x < blocks_x; x++) {
            blockIdx = {x, y, 0};
            if (const char* wrong = host::run_block(threads, backwards != 0)) return wrong;
        }
    }
    return nullptr;
}
