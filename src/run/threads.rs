//! The threads of a worker: one pool in which the whole job runs, and no second pool beside it.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Bytes of a thread's stack: the graph of a deep model is walked recursively.
const STACK: usize = 64 << 20;

/// A pool of `runtime.threads`, or of as many as there are cores for this process. The job runs inside it: a kernel that
/// splits then needs no other thread to be woken before it begins.
///
/// # Errors
/// The system gives no more threads.
pub fn pool(threads: Option<usize>) -> Result<ThreadPool, ThreadPoolBuildError> {
    let name = |index| format!("compute-{index}");
    ThreadPoolBuilder::new().num_threads(count(threads)).stack_size(STACK).thread_name(name).build()
}

/// `runtime.threads`; else `RAYON_NUM_THREADS` or the physical cores. No more than the scheduler grants: threads that share
/// a core wait for each other in every product (measured with 1,024 on 2 cores: a thousandth of the speed).
fn count(threads: Option<usize>) -> usize {
    let granted = std::thread::available_parallelism().map_or(1, usize::from);
    threads.unwrap_or_else(candle_core::utils::get_num_threads).clamp(1, granted)
}

/// Tells candle of the number of threads, by the variables that it reads. Its matrix products split by
/// `RAYON_NUM_THREADS`. Its element-wise operations have a pool of their own, whose threads spin while they wait and so
/// take the cores of ours (measured on 2 cores: 1.5 times the time of a step): `CANDLE_NUM_THREADS` = 1 keeps it away,
/// unless the user set it.
///
/// # Safety
/// No other thread runs yet.
pub unsafe fn tell_candle(threads: Option<usize>) {
    // SAFETY: the caller's promise; nothing else reads or writes the environment.
    unsafe {
        std::env::set_var("RAYON_NUM_THREADS", count(threads).to_string());
        if std::env::var_os("CANDLE_NUM_THREADS").is_none() {
            std::env::set_var("CANDLE_NUM_THREADS", "1");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_runs_in_a_pool_of_so_many_threads() {
        let granted = std::thread::available_parallelism().unwrap().get();
        let (one, many) = (pool(Some(1)).unwrap(), pool(Some(1024)).unwrap());
        assert_eq!((one.current_num_threads(), many.current_num_threads()), (1, granted));
        assert!(one.install(rayon::current_thread_index).is_some());
        assert!((1..=granted).contains(&count(None)));
    }
}
