//! The operations of `autolora::ops`, forward and forward with back, beside the same of candle's own differentiable
//! operations: RoBERTa-base's sizes, 16 rows of 64 tokens, f32.
//!
//! `cargo bench --bench ops [-- FILTER]`; `AUTOLORA_BENCH_DEVICE=cuda:0` takes another device than the CPU.

mod cases;

use autolora::run::threads;
use cases::{Case, Way, cases};
use criterion::{BenchmarkId, Criterion, Throughput};
use std::hint::black_box;
use std::time::Duration;

// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // As a worker: all of it in the threads of one pool, and none of candle's beside them.
    // SAFETY: no other thread runs yet.
    unsafe { threads::tell_candle(None) };
    threads::pool(None).expect("threads start").install(|| {
        let mut criterion = Criterion::default().configure_from_args();
        operations(&mut criterion);
        criterion.final_summary();
    });
}

fn operations(criterion: &mut Criterion) {
    let name = std::env::var("AUTOLORA_BENCH_DEVICE").unwrap_or_else(|_| "cpu".into());
    let device = autolora::run::device::open(&name).expect("the device opens");
    for case in cases(&device).expect("the operands are made") {
        let mut group = criterion.benchmark_group(case.name);
        group.throughput(Throughput::Elements(case.operations));
        group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        for way in [Way::Ours, Way::Candle] {
            for back in [false, true] {
                let id = BenchmarkId::new(way.name(), if back { "forward and back" } else { "forward" });
                group.bench_function(id, |bencher| {
                    bencher.iter(|| {
                        black_box(run(&case, way, back));
                        device.synchronize().expect("the device answers");
                    });
                });
            }
        }
        group.finish();
    }
}

/// One call; with its gradients where asked.
fn run(case: &Case, way: Way, back: bool) -> impl Sized {
    let y = case.run(way, back).expect("the operation runs");
    let gradients =
        back.then(|| (&y * &case.slopes).and_then(|loss| loss.sum_all()?.backward()).expect("it goes back"));
    (y, gradients)
}
