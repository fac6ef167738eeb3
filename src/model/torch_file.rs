//! Tensors of a `pytorch_model.bin`, as `torch.save` has written them since 1.6 (a zip archive) and before. The pickle
//! in it is read as data by candle's machine, which makes no object and calls nothing.

use crate::experiment::regular;
use candle_core::pickle::{Object, Stack};
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

type Outcome<T> = Result<T, String>;

/// First bytes of the form before torch 1.6: a pickled number.
const OLD_MAGIC: [u8; 15] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// The floating-point tensors of the file by name, on the CPU, in the precision they are stored in. An error says what
/// is wrong with the file, not which it is.
pub fn read(path: &Path) -> Outcome<BTreeMap<String, Tensor>> {
    let mut file = BufReader::new(regular::open(path).map_err(|e| format!("cannot be read: {e}"))?);
    let start = file.fill_buf().map_err(|e| format!("cannot be read: {e}"))?;
    if start.starts_with(b"PK") {
        read_zip(file)
    } else if start.starts_with(&OLD_MAGIC) {
        file.consume(OLD_MAGIC.len());
        read_old(file)
    } else {
        Err("not a file of torch.save (neither a zip archive nor the form before torch 1.6)".into())
    }
}

/// Where a tensor's elements are: strides and offset count elements of the storage called `key`.
struct View {
    key: String,
    kind: ElementKind,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

#[derive(Clone, Copy)]
struct ElementKind {
    bytes: usize,
    /// None for whole numbers: index buffers, which no model here reads.
    float: Option<DType>,
}

fn element_kind(storage: &str) -> Option<ElementKind> {
    let (bytes, float) = match storage {
        "FloatStorage" => (4, Some(DType::F32)),
        "DoubleStorage" => (8, Some(DType::F64)),
        "HalfStorage" => (2, Some(DType::F16)),
        "BFloat16Storage" => (2, Some(DType::BF16)),
        "LongStorage" => (8, None),
        "IntStorage" => (4, None),
        "ShortStorage" => (2, None),
        "ByteStorage" | "CharStorage" | "BoolStorage" => (1, None),
        _ => return None,
    };
    Some(ElementKind { bytes, float })
}

fn read_zip(file: BufReader<File>) -> Outcome<BTreeMap<String, Tensor>> {
    let broken = |e: zip::result::ZipError| format!("a broken zip archive (a download cut short?): {e}");
    let mut archive = zip::ZipArchive::new(file).map_err(broken)?;
    let pickle = (0..archive.len())
        .filter_map(|i| archive.by_index_raw(i).ok().map(|entry| entry.name().unwrap_or_default().into_owned()))
        .find(|name| name.ends_with("data.pkl"))
        .ok_or("a zip archive without data.pkl, so not a file of torch.save")?;
    let root = pickle.strip_suffix(".pkl").unwrap_or(&pickle).to_owned();
    let object = unpickle(&mut BufReader::new(archive.by_name(&pickle).map_err(broken)?))?;
    let mut storages = BTreeMap::new();
    let views = views(object)?;
    for view in views.values().filter(|view| view.kind.float.is_some()) {
        if !storages.contains_key(&view.key) {
            let mut bytes = Vec::new();
            let mut entry = archive.by_name(&format!("{root}/{}", view.key)).map_err(broken)?;
            entry.read_to_end(&mut bytes).map_err(|e| format!("a broken zip archive: {e}"))?;
            storages.insert(view.key.clone(), bytes);
        }
    }
    tensors(views, &storages)
}

fn read_old(mut file: BufReader<File>) -> Outcome<BTreeMap<String, Tensor>> {
    unpickle(&mut file)?; // version of the protocol
    unpickle(&mut file)?; // sizes of the writer's types
    let views = views(unpickle(&mut file)?)?;
    let Object::List(keys) = unpickle(&mut file)? else { return Err("no list of storages after the tensors".into()) };
    let kinds: BTreeMap<&str, ElementKind> = views.values().map(|view| (view.key.as_str(), view.kind)).collect();
    let mut storages = BTreeMap::new();
    for key in keys {
        let key = key.unicode().map_err(|_| "a storage whose name is not text")?;
        let kind = kinds.get(key.as_str()).ok_or_else(|| format!("storage {key} belongs to no tensor"))?;
        let cut = |e: std::io::Error| format!("it ends within storage {key} (a download cut short?): {e}");
        let mut count = [0; 8];
        file.read_exact(&mut count).map_err(cut)?;
        let length = u64::from_le_bytes(count).saturating_mul(kind.bytes as u64);
        let mut bytes = Vec::new();
        file.by_ref().take(length).read_to_end(&mut bytes).map_err(cut)?;
        if bytes.len() as u64 != length {
            return Err(format!("it ends within storage {key} (a download cut short?)"));
        }
        storages.insert(key, bytes);
    }
    tensors(views, &storages)
}

fn unpickle(reader: &mut impl BufRead) -> Outcome<Object> {
    let mut stack = Stack::empty();
    let read = stack.read_loop(reader).and_then(|()| stack.finalize());
    read.map_err(|e| format!("its pickle cannot be read: {}", first_line(&e)))
}

/// candle's errors may carry a backtrace.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The tensors that a state dictionary describes.
fn views(object: Object) -> Outcome<BTreeMap<String, View>> {
    let Object::Dict(entries) = object else {
        return Err(format!("it holds {}, not a dictionary of tensors", describe(&object)));
    };
    let mut views = BTreeMap::new();
    for (name, value) in entries {
        let Object::Unicode(name) = name else { continue };
        match value {
            Object::Reduce { callable, args } => {
                views.insert(name.clone(), view(*callable, *args).map_err(|problem| format!("`{name}`: {problem}"))?);
            }
            Object::Build { .. } => return Err(format!("`{name}` is {}, not a tensor", describe(&value))),
            _ => {} // `_metadata` and such
        }
    }
    if views.is_empty() { Err("it holds no tensors by name".into()) } else { Ok(views) }
}

fn describe(object: &Object) -> String {
    match object {
        Object::Class { module_name, class_name } => format!("`{module_name}.{class_name}`"),
        Object::Reduce { callable, .. } | Object::Build { callable, .. } => {
            format!("a call of {} (which is not made)", describe(callable))
        }
        Object::List(_) | Object::Tuple(_) => "a list".into(),
        Object::PersistentLoad(_) => "a storage".into(),
        _ => "a plain value".into(),
    }
}

/// The tensor that a call of one of torch's rebuilding functions stands for.
fn view(callable: Object, args: Object) -> Outcome<View> {
    let unfit = || "not as torch.save writes a tensor".to_string();
    let Object::Class { module_name, class_name } = &callable else { return Err(unfit()) };
    let mut args = args.tuple().map_err(|_| unfit())?.into_iter();
    match (module_name.as_str(), class_name.as_str()) {
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => {}
        ("torch._utils", "_rebuild_parameter") => match args.next() {
            Some(Object::Reduce { callable, args }) => return view(*callable, *args),
            _ => return Err(unfit()),
        },
        _ => return Err(format!("{} is not a tensor; nothing of it is run", describe(&callable))),
    }
    let (Some(Object::PersistentLoad(storage)), Some(offset), Some(shape), Some(strides)) =
        (args.next(), args.next(), args.next(), args.next())
    else {
        return Err(unfit());
    };
    // ("storage", class, key, device, elements)
    let storage = storage.tuple().map_err(|_| unfit())?;
    let (Some(Object::Class { class_name, .. }), Some(Object::Unicode(key))) = (storage.get(1), storage.get(2)) else {
        return Err(unfit());
    };
    let kind = element_kind(class_name).ok_or_else(|| format!("elements of {class_name} are not supported"))?;
    let (shape, strides) = (sizes(shape).ok_or_else(unfit)?, sizes(strides).ok_or_else(unfit)?);
    if shape.len() != strides.len() {
        return Err(unfit());
    }
    Ok(View { key: key.clone(), kind, offset: size(&offset).ok_or_else(unfit)?, shape, strides })
}

fn size(object: &Object) -> Option<usize> {
    match object {
        Object::Int(value) => usize::try_from(*value).ok(),
        Object::Long(value) => usize::try_from(*value).ok(),
        _ => None,
    }
}

fn sizes(object: Object) -> Option<Vec<usize>> {
    object.tuple().ok()?.iter().map(size).collect()
}

fn tensors(views: BTreeMap<String, View>, storages: &BTreeMap<String, Vec<u8>>) -> Outcome<BTreeMap<String, Tensor>> {
    let mut tensors = BTreeMap::new();
    for (name, view) in views {
        let Some(dtype) = view.kind.float else { continue };
        let bytes = storages.get(&view.key).and_then(|storage| elements(&view, storage));
        let bytes = bytes.ok_or_else(|| format!("`{name}` lies outside of its storage"))?;
        let tensor = Tensor::from_raw_buffer(&bytes, dtype, &view.shape, &Device::Cpu);
        tensors.insert(name.clone(), tensor.map_err(|e| format!("`{name}`: {}", first_line(&e)))?);
    }
    Ok(tensors)
}

/// The bytes of a tensor, row by row; none where they are not within the storage.
fn elements(view: &View, storage: &[u8]) -> Option<Vec<u8>> {
    let size = view.kind.bytes;
    let count = view.shape.iter().try_fold(1usize, |count, n| count.checked_mul(*n))?;
    if count.checked_mul(size)? > storage.len() {
        return None;
    }
    let mut bytes = Vec::with_capacity(count * size);
    let mut index = vec![0; view.shape.len()];
    // The innermost dimension is copied whole where its elements are neighbours.
    let run = match (view.shape.last(), view.strides.last()) {
        (Some(&n), Some(1)) => n,
        _ => 1,
    };
    while bytes.len() < count * size {
        let at = index
            .iter()
            .zip(&view.strides)
            .try_fold(view.offset, |at, (i, stride): (&usize, &usize)| at.checked_add(i.checked_mul(*stride)?))?;
        bytes.extend_from_slice(storage.get(at.checked_mul(size)?..at.checked_add(run)?.checked_mul(size)?)?);
        let mut step = run;
        for (i, n) in index.iter_mut().zip(&view.shape).rev() {
            *i += step;
            step = 1;
            if *i < *n {
                break;
            }
            *i = 0;
        }
    }
    Some(bytes)
}
