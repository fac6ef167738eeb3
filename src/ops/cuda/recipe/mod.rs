//! What each operation launches, in which order and with what arguments, on any queue of work. The queue of a GPU is in
//! `super::queue`; a test brings one of its own that runs the same kernels on the CPU, so that everything but the queue is
//! proven without a device. Nothing here knows of candle, and no operand is checked: the callers do that.

pub mod activation;
pub mod attention;
pub mod elementwise;
pub mod linear;
pub mod loss;
pub mod norm;
pub mod positions;
pub mod product;

use product::Gemm;

/// The type of an operand's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F64,
    F32,
    Bf16,
    F16,
}

impl Kind {
    /// As the kernels' names end.
    pub fn name(self) -> &'static str {
        match self {
            Kind::F64 => "f64",
            Kind::F32 => "f32",
            Kind::Bf16 => "bf16",
            Kind::F16 => "f16",
        }
    }

    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        match self {
            Kind::F64 => 8,
            Kind::F32 => 4,
            Kind::Bf16 | Kind::F16 => 2,
        }
    }

    /// The type that a kernel's result is written in where only a product with a matrix of this type takes it: that type,
    /// where the range of its numbers is that of f32's.
    pub fn written(self) -> Kind {
        match self {
            Kind::F16 => Kind::F32,
            kind => kind,
        }
    }

    /// The type in which the kernels compute with elements of this one.
    pub fn working(self) -> Kind {
        match self {
            Kind::F64 => Kind::F64,
            _ => Kind::F32,
        }
    }
}

/// Contiguous elements in the memory of the device.
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    pub address: u64,
    pub kind: Kind,
}

impl Operand {
    /// The same from element `n` on.
    pub fn skip(self, n: usize) -> Operand {
        Operand { address: self.address + (n * self.kind.bytes()) as u64, ..self }
    }
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// A pointer; 0 for none.
    Address(u64),
    /// An `unsigned`; a queue refuses one that does not fit.
    Count(usize),
    /// An `unsigned long long`.
    Long(u64),
    /// A `double`.
    Real(f64),
}

/// One launch of a kernel.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The file that the kernel is in, without its ending.
    pub module: &'static str,
    pub kernel: String,
    pub blocks: (usize, usize),
    /// Threads of a block, whole warps.
    pub threads: usize,
    pub arguments: &'a [Argument],
}

/// Memory of the device that is given back when this goes, after the work that was queued before.
pub trait Room {
    /// Of its first byte; aligned for every kind.
    fn address(&self) -> u64;
}

/// A device that runs what it is given one after the other, without anyone waiting for it.
pub trait Queue {
    type Error;
    type Room: Room;

    /// Memory with anything in it.
    fn room(&self, bytes: usize) -> Result<Self::Room, Self::Error>;
    /// Runs a kernel.
    fn launch(&self, launch: &Launch) -> Result<(), Self::Error>;
    /// Runs matrix products.
    fn multiply(&self, gemm: &Gemm) -> Result<(), Self::Error>;
}

/// Room for `count` elements, as an operand; the room must be kept as long as the operand is used.
fn scratch<Q: Queue>(queue: &Q, kind: Kind, count: usize) -> Result<(Q::Room, Operand), Q::Error> {
    let room = queue.room(count * kind.bytes())?;
    let operand = Operand { address: room.address(), kind };
    Ok((room, operand))
}

/// A launch of one block for each row of `width` elements.
fn rows<Q: Queue>(
    queue: &Q,
    (module, kernel): (&'static str, String),
    (rows, width): (usize, usize),
    arguments: &[Argument],
) -> Result<(), Q::Error> {
    if rows == 0 || width == 0 {
        return Ok(());
    }
    queue.launch(&Launch { module, kernel, blocks: (rows, 1), threads: threads_of_row(width), arguments })
}

/// Four elements of a row for each thread, as far as a block goes.
fn threads_of_row(width: usize) -> usize {
    width.div_ceil(4).next_multiple_of(32).clamp(32, 1024)
}

/// A launch of one warp for each of `count` rows.
fn warps<Q: Queue>(
    queue: &Q,
    (module, kernel): (&'static str, String),
    count: usize,
    arguments: &[Argument],
) -> Result<(), Q::Error> {
    const WARPS: usize = 8;
    if count == 0 {
        return Ok(());
    }
    let blocks = (count.div_ceil(WARPS), 1);
    queue.launch(&Launch { module, kernel, blocks, threads: 32 * WARPS, arguments })
}

/// A launch over `count` elements, whichever thread takes which.
fn elements<Q: Queue>(
    queue: &Q,
    (module, kernel): (&'static str, String),
    count: usize,
    arguments: &[Argument],
) -> Result<(), Q::Error> {
    const THREADS: usize = 256;
    if count == 0 {
        return Ok(());
    }
    let blocks = count.div_ceil(4 * THREADS).min(1 << 16);
    queue.launch(&Launch { module, kernel, blocks: (blocks, 1), threads: THREADS, arguments })
}
