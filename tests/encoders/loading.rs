//! Files as they come from the hub, and broken ones.

use super::{CPU, fixture, load, open};
use autolora::model::HeadKind;
use autolora::model::checkpoint::Checkpoint;
use candle_core::Tensor;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

fn copy(model: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixture(model)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn edited(model: &str, edit: impl FnOnce(&mut HashMap<String, Tensor>)) -> String {
    let folder = copy(model);
    let file = folder.path().join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&file, &CPU).unwrap();
    edit(&mut tensors);
    candle_core::safetensors::save(&tensors, &file).unwrap();
    load(folder.path(), HeadKind::Sequence, 3).map(|_| ()).unwrap_err()
}

#[test]
fn a_tensor_that_is_missing_or_of_another_shape_is_named_with_both_shapes() {
    let name = "bert.encoder.layer.1.output.dense.weight";
    let error = edited("bert", |tensors| {
        tensors.remove(name);
    });
    assert_eq!(
        error,
        "DIR/model.safetensors: tensor `bert.encoder.layer.1.output.dense.weight` of shape [16, 24] is missing; the \
         nearest name there is `bert.encoder.layer.0.output.dense.weight`"
            .replace("DIR", error.split("/model.safetensors").next().unwrap())
    );
    let error = edited("bert", |tensors| {
        let turned = tensors[name].t().unwrap().contiguous().unwrap();
        tensors.insert(name.into(), turned);
    });
    assert!(
        error.ends_with(&format!("tensor `{name}` has shape [24, 16], the configuration asks for [16, 24]")),
        "{error}"
    );
    // A part of the head that is there must be whole.
    let error = edited("modernbert", |tensors| {
        tensors.remove("head.norm.weight");
    });
    assert!(error.contains("`head.norm.weight` of shape [16] is missing"), "{error}");
}

#[test]
fn safetensors_come_before_pickles_and_a_file_before_shards() {
    let folder = copy("bert");
    std::fs::write(folder.path().join("pytorch_model.bin"), "not read").unwrap();
    std::fs::write(folder.path().join("model.safetensors.index.json"), "not read").unwrap();
    assert!(open(folder.path()).is_ok());
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let error = open(folder.path()).map(|_| ()).unwrap_err();
    assert!(error.contains("is no index of shards"), "{error}");
    std::fs::remove_file(folder.path().join("model.safetensors.index.json")).unwrap();
    let error = open(folder.path()).map(|_| ()).unwrap_err();
    assert_eq!(
        error,
        "DIR/pytorch_model.bin: not a file of torch.save (neither a zip archive nor the form before torch 1.6); make \
         model.safetensors with transformers: AutoModel.from_pretrained(DIR).save_pretrained(DIR)"
    );
}

/// The error of reading these bytes as pytorch_model.bin, without the name and the advice.
fn pickle_error(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pytorch_model.bin");
    std::fs::write(&file, bytes).unwrap();
    let error = Checkpoint::from_files(&[&file]).map(|_| ()).unwrap_err().to_string();
    let problem = error.strip_prefix(&format!("{}: ", file.display())).unwrap();
    problem.split("; make model.safetensors").next().unwrap().to_string()
}

/// An archive as torch.save makes it.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn pickled(pickle: &[u8]) -> String {
    pickle_error(&archive(&[("archive/data.pkl", pickle)]))
}

#[test]
fn a_broken_pickle_is_refused_with_the_reason() {
    for model in ["roberta", "deberta-v2"] {
        let whole = std::fs::read(fixture(model).join("pytorch_model.bin")).unwrap();
        for length in [1, 20, 200, whole.len() / 2, whole.len() - 10] {
            let error = pickle_error(&whole[..length]);
            let said = ["cut short?", "pickle cannot be read", "not a file of torch.save"];
            assert!(said.iter().any(|said| error.contains(said)), "{model}, {length} bytes: {error}");
        }
    }
    assert!(pickle_error(b"").contains("not a file of torch.save"));
    assert!(pickle_error(&archive(&[("a", b"b")])).contains("without data.pkl"));
    assert_eq!(pickled(b"\x80\x02]."), "it holds a list, not a dictionary of tensors");
    assert_eq!(pickled(b"\x80\x02}."), "it holds no tensors by name");
    assert!(pickled(b"\x80\x02\xff").starts_with("its pickle cannot be read"));
}

#[test]
fn a_pickle_that_would_run_code_is_refused_and_nothing_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let proof = folder.path().join("proof");
    let command = format!("touch {}", proof.display());
    let text = |text: &str| [b"X".to_vec(), (text.len() as u32).to_le_bytes().to_vec(), text.into()].concat();
    let call = [b"cposix\nsystem\n".to_vec(), text(&command), b"\x85R".to_vec()].concat();
    let error = pickled(&[b"\x80\x02".to_vec(), call.clone(), b".".to_vec()].concat());
    assert_eq!(error, "it holds a call of `posix.system` (which is not made), not a dictionary of tensors");
    let inside = [b"\x80\x02}".to_vec(), text("weight"), call, b"s.".to_vec()].concat();
    assert_eq!(pickled(&inside), "`weight`: `posix.system` is not a tensor; nothing of it is run");
    assert!(!Path::new(&proof).exists());
    // The arguments of the right function, but too few, of the wrong kinds, or pointing outside of the storage.
    let rebuild = |arguments: &[u8]| {
        let name = text("weight");
        let call = [b"ctorch._utils\n_rebuild_tensor_v2\n".as_slice(), arguments, b"R"].concat();
        pickled(&[b"\x80\x02}".to_vec(), name, call, b"s.".to_vec()].concat())
    };
    assert_eq!(rebuild(b")"), "`weight`: not as torch.save writes a tensor");
    assert_eq!(rebuild(b"(K\x01K\x02K\x03K\x04t"), "`weight`: not as torch.save writes a tensor");
    let storage = [b"((".to_vec(), text("storage"), b"ctorch\nFloatStorage\n".to_vec(), text("0"), b"tQ".to_vec()];
    let far = [storage.concat(), b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x85K\x01\x85t".to_vec()].concat();
    let pickle = [b"\x80\x02}".to_vec(), text("weight"), b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(), far].concat();
    let files = [("archive/data.pkl", [pickle, b"Rs.".to_vec()].concat()), ("archive/data/0", vec![0; 8])];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    assert_eq!(pickle_error(&archive(&files)), "`weight` lies outside of its storage");
}

#[test]
fn lora_goes_where_it_is_asked_to_and_an_unknown_layer_lists_those_there_are() {
    let paths = |model: &str, targets: &[&str]| -> Result<Vec<String>, String> {
        let (mut model, _) = load(&fixture(model), HeadKind::Sequence, 3).unwrap();
        let targets: Vec<String> = targets.iter().map(|t| t.to_string()).collect();
        let modules = model.attach(&targets).map_err(|e| e.to_string())?;
        Ok(modules.into_iter().map(|(path, ..)| path).collect())
    };
    let deberta = |n: usize, name: &str| format!("deberta.encoder.layer.{n}.attention.self.{name}");
    assert_eq!(
        paths("deberta-v2", &["pos_key_proj", "query_proj"]).unwrap(),
        [deberta(0, "query_proj"), deberta(0, "pos_key_proj"), deberta(1, "query_proj"), deberta(1, "pos_key_proj")]
    );
    assert_eq!(paths("deberta-v2", &["embed_proj"]).unwrap(), ["deberta.embeddings.embed_proj"]);
    assert_eq!(
        paths("modernbert", &["Wqkv"]).unwrap(),
        [0, 1, 2].map(|n| format!("model.layers.{n}.attn.Wqkv")),
        "queries, keys and values are one module"
    );
    assert_eq!(paths("modernbert", &["head.dense"]).unwrap(), ["head.dense"]);
    assert_eq!(paths("distilbert", &["q_lin"]).unwrap()[1], "distilbert.transformer.layer.1.attention.q_lin");
    let error = paths("distilbert", &["query"]).unwrap_err();
    assert!(
        error.contains("the layers' names are k_lin, lin1, lin2, out_lin, q_lin, v_lin (or all-linear)"),
        "{error}"
    );
    for model in ["bert", "xlm-roberta", "distilbert", "deberta-v3", "modernbert"] {
        let (config, _) = open(&fixture(model)).unwrap();
        let default = autolora::model::targets::default_targets(&config.family);
        assert!(paths(model, default).unwrap().len() >= config.num_hidden_layers, "{model}");
    }
}
