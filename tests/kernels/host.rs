//! The queue of this test: kernels of a library that the host's compiler makes, products as BLAS defines them.

use crate::recipe::product::Gemm;
use crate::recipe::{Argument, Kind, Launch, Operand, Queue, Room};
use half::{bf16, f16};
use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

type Run = unsafe extern "C" fn(
    module: *const c_char,
    name: *const c_char,
    kinds: *const c_char,
    values: *mut *mut c_void,
    blocks_x: u32,
    blocks_y: u32,
    threads: u32,
    backwards: c_int,
) -> *const c_char;

/// The library's entry. It has one set of threads: whoever uses it holds the lock.
fn library() -> Run {
    static LIBRARY: OnceLock<Run> = OnceLock::new();
    *LIBRARY.get_or_init(|| {
        let path = CString::new(compiled().into_os_string().into_encoded_bytes()).unwrap();
        // SAFETY: the library is the one just compiled; its constructors only fill a table, and it is never closed.
        unsafe {
            let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
            assert!(!library.is_null(), "the kernels' library: {:?}", CStr::from_ptr(libc::dlerror()));
            let entry = libc::dlsym(library, c"run_kernel".as_ptr());
            assert!(!entry.is_null());
            std::mem::transmute::<*mut c_void, Run>(entry)
        }
    })
}

/// The library of these very sources, compiled unless it is there.
fn compiled() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (kernels, own) = (root.join("src/ops/cuda/kernels"), root.join("tests/kernels"));
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    let mut command = Command::new(&compiler);
    command.args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-shared", "-fPIC", "-DKERNELS_ON_HOST"]);
    // A fortified jump takes another fibre's stack for a broken one.
    command.arg("-U_FORTIFY_SOURCE");
    command.arg("-I").arg(&kernels).arg("-I").arg(&own).arg(own.join("host.cpp"));
    let mut hasher = DefaultHasher::new();
    format!("{command:?}").hash(&mut hasher);
    let mut sources: Vec<PathBuf> = [&kernels, &own]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|f| f.unwrap().path())
        .collect();
    sources.sort();
    for source in sources {
        (&source, std::fs::read(&source).unwrap()).hash(&mut hasher);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let library = folder.join(format!("kernels-{:016x}.so", hasher.finish()));
    if !library.exists() {
        std::fs::create_dir_all(folder).unwrap();
        let fresh = tempfile::Builder::new().prefix("kernels-").tempfile_in(folder).unwrap().into_temp_path();
        let output = command.arg("-o").arg(&fresh).output().unwrap_or_else(|error| {
            panic!("the kernels cannot be tested without a C++ compiler: {compiler}: {error} (CXX names another)")
        });
        assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
        fresh.persist(&library).unwrap();
    }
    library
}

/// One after the other, on this thread.
pub struct Host {
    run: Run,
    backwards: bool,
    launches: Cell<usize>,
    _alone: MutexGuard<'static, ()>,
}

impl Host {
    /// `backwards`: the order in which threads take their turns.
    pub fn new(backwards: bool) -> Host {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Host { run: library(), backwards, launches: Cell::new(0), _alone: alone }
    }

    /// Kernels and products that were run since this was asked before.
    pub fn launches(&self) -> usize {
        self.launches.take()
    }
}

const GUARD: usize = 32;
const MARK: u8 = 0xa5;

/// Memory of the "device": NaN until it is written, between marks that must not be.
pub struct Bytes {
    words: Vec<u64>,
    count: usize,
}

impl Bytes {
    fn new(count: usize) -> Bytes {
        let mut bytes = Bytes { words: vec![u64::MAX; (2 * GUARD + count).div_ceil(8)], count };
        let all = bytes.all();
        all[..GUARD].fill(MARK);
        all[GUARD + count..].fill(MARK);
        bytes
    }

    fn all(&mut self) -> &mut [u8] {
        let length = self.words.len() * 8;
        // SAFETY: the words are as many bytes, and bytes have no alignment.
        unsafe { std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast(), length) }
    }
}

impl Room for Bytes {
    fn address(&self) -> u64 {
        self.words.as_ptr() as u64 + GUARD as u64
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        let count = self.count;
        let all = self.all();
        let is_whole = all[..GUARD].iter().chain(&all[GUARD + count..]).all(|&byte| byte == MARK);
        assert!(is_whole || std::thread::panicking(), "a kernel wrote beside its operand of {count} bytes");
    }
}

/// An operand and its memory.
pub struct Held {
    bytes: Bytes,
    kind: Kind,
}

impl Held {
    pub fn of(values: &[f64], kind: Kind) -> Held {
        let held = Held::empty(values.len(), kind);
        for (i, &value) in values.iter().enumerate() {
            write(held.operand(), i, value);
        }
        held
    }

    pub fn empty(count: usize, kind: Kind) -> Held {
        Held { bytes: Bytes::new(count * kind.bytes()), kind }
    }

    /// What a recipe made room for.
    pub fn in_room(bytes: Bytes, kind: Kind) -> Held {
        Held { bytes, kind }
    }

    pub fn operand(&self) -> Operand {
        Operand { address: self.bytes.address(), kind: self.kind }
    }

    pub fn values(&self) -> Vec<f64> {
        (0..self.bytes.count / self.kind.bytes()).map(|i| read(self.operand(), i)).collect()
    }
}

/// A table of something else than floating-point numbers.
pub fn table<T: Copy>(values: &[T]) -> Bytes {
    let size = std::mem::size_of_val(values);
    let mut bytes = Bytes::new(size);
    // SAFETY: plain numbers, read as bytes.
    let from = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size) };
    bytes.all()[GUARD..GUARD + size].copy_from_slice(from);
    bytes
}

/// The nearest number that `kind` holds.
pub fn rounded(x: f64, kind: Kind) -> f64 {
    match kind {
        Kind::F64 => x,
        Kind::F32 => (x as f32).into(),
        Kind::Bf16 => bf16::from_f32(x as f32).into(),
        Kind::F16 => f16::from_f32(x as f32).into(),
    }
}

fn read(operand: Operand, i: usize) -> f64 {
    let at = operand.address as usize + i * operand.kind.bytes();
    // SAFETY: addresses are those of a room, which is alive, and the recipes stay within it; what is left unwritten or
    // beside is found out by the marks. Alignment is that of a word and of whole elements.
    unsafe {
        match operand.kind {
            Kind::F64 => *(at as *const f64),
            Kind::F32 => (*(at as *const f32)).into(),
            Kind::Bf16 => (*(at as *const bf16)).into(),
            Kind::F16 => (*(at as *const f16)).into(),
        }
    }
}

fn write(operand: Operand, i: usize, value: f64) {
    let at = operand.address as usize + i * operand.kind.bytes();
    // SAFETY: as in `read`.
    unsafe {
        match operand.kind {
            Kind::F64 => *(at as *mut f64) = value,
            Kind::F32 => *(at as *mut f32) = value as f32,
            Kind::Bf16 => *(at as *mut bf16) = bf16::from_f32(value as f32),
            Kind::F16 => *(at as *mut f16) = f16::from_f32(value as f32),
        }
    }
}

impl Queue for Host {
    type Error = String;
    type Room = Bytes;

    fn room(&self, bytes: usize) -> Result<Bytes, String> {
        Ok(Bytes::new(bytes))
    }

    fn launch(&self, launch: &Launch) -> Result<(), String> {
        self.launches.set(self.launches.get() + 1);
        let mut kinds = String::new();
        let mut words: Vec<u64> = Vec::new();
        for argument in launch.arguments {
            let (kind, word) = match *argument {
                Argument::Address(address) => ('p', address),
                Argument::Count(count) => ('u', u32::try_from(count).map_err(|error| error.to_string())?.into()),
                Argument::Long(long) => ('l', long),
                Argument::Real(real) => ('d', real.to_bits()),
            };
            kinds.push(kind);
            words.push(word);
        }
        let mut values: Vec<*mut c_void> = words.iter_mut().map(|word| std::ptr::from_mut(word).cast()).collect();
        let [module, name, kinds] =
            [launch.module, &launch.kernel, &kinds].map(|text| CString::new(text).map_err(|error| error.to_string()));
        let (module, name, kinds) = (module?, name?, kinds?);
        let (x, y) = launch.blocks;
        // SAFETY: the library checks the number and the kinds of the arguments, whose places outlive the call; the lock
        // is held.
        let wrong = unsafe {
            (self.run)(
                module.as_ptr(),
                name.as_ptr(),
                kinds.as_ptr(),
                values.as_mut_ptr(),
                x as u32,
                y as u32,
                launch.threads as u32,
                self.backwards.into(),
            )
        };
        if wrong.is_null() {
            return Ok(());
        }
        // SAFETY: a message of the library, which ends in 0.
        Err(format!("{}: {}", launch.kernel, unsafe { CStr::from_ptr(wrong) }.to_string_lossy()))
    }

    /// By the definition of `cublasGemmStridedBatchedEx`.
    fn multiply(&self, gemm: &Gemm) -> Result<(), String> {
        self.launches.set(self.launches.get() + 1);
        let Gemm { m, n, k, batch, .. } = *gemm;
        let [ta, tb] = gemm.transposed;
        let [lda, ldb, ldc] = gemm.leading;
        let rows = [if ta { k } else { m }, if tb { n } else { k }, m];
        for (leading, rows) in gemm.leading.iter().zip(rows) {
            if *leading < rows.max(1) {
                return Err(format!("a leading dimension of {leading} for {rows} rows"));
            }
        }
        let at = |operand: usize, i: usize| {
            let kind = if operand == 2 { gemm.out_kind } else { gemm.kind };
            Operand { address: gemm.addresses[operand], kind }.skip(i * gemm.steps[operand])
        };
        for i in 0..batch {
            let (a, b, c) = (at(0, i), at(1, i), at(2, i));
            for column in 0..n {
                for row in 0..m {
                    let product = |l: usize| {
                        let a = read(a, if ta { row * lda + l } else { l * lda + row });
                        a * read(b, if tb { l * ldb + column } else { column * ldb + l })
                    };
                    let sum: f64 = gemm.alpha * (0..k).map(product).sum::<f64>();
                    let place = column * ldc + row;
                    // What is there is not read where beta is 0: it may be NaN.
                    let before = if gemm.beta == 0.0 { 0.0 } else { gemm.beta * read(c, place) };
                    write(c, place, sum + before);
                }
            }
        }
        Ok(())
    }
}
