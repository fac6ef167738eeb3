//! Datasets by name: where they are, what they ask, how they are scored. Facts alone; the floor above fetches them.

use super::{BUILTIN_DEMO, BUILTIN_GENERATION, MetricKind, Task};

/// A dataset of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CatalogueEntry {
    /// What `data.id` names.
    pub id: &'static str,
    /// One line for people.
    pub about: &'static str,
    pub task: Task,
    /// The figure that papers report.
    pub metric: MetricKind,
    /// Columns of the text, of its pair, of the label, the score or the tags.
    pub text: &'static str,
    pub pair: Option<&'static str>,
    /// None: rows are read whole, as triples with their texts or as conversations, and `text` is the first of their keys.
    pub label: Option<&'static str>,
    pub place: DataPlace,
    /// One line on what one may do with it.
    pub licence: &'static str,
}

/// Where a dataset of the catalogue is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DataPlace {
    /// Inside the program: train, validation, test.
    Embedded,
    Hub {
        repo: &'static str,
        /// Configuration, as `datasets` calls it; none: the only one that there is.
        config: Option<&'static str>,
        /// Branch; `refs/convert/parquet` is the hub's own conversion to `<config>/<split>/0000.parquet`.
        revision: &'static str,
        /// The split that is held out. GLUE's test sets have no labels, so its validation split is.
        test: &'static str,
        /// Further held-out splits, by the name that their figures get.
        extra: &'static [(&'static str, &'static str)],
    },
}

/// GLUE: `<config>/<split>-00000-of-00001.parquet`, with the class names in the files' metadata.
const fn glue(config: &'static str, test: &'static str, extra: &'static [(&'static str, &'static str)]) -> DataPlace {
    DataPlace::Hub { repo: "nyu-mll/glue", config: Some(config), revision: "main", test, extra }
}

/// T-NER: `dataset/<split>.json` with `tokens` and `tags` as numbers, and `dataset/label.json` with their names.
const fn tner(repo: &'static str) -> DataPlace {
    DataPlace::Hub { repo, config: Some("default"), revision: "main", test: "test", extra: &[] }
}

/// A dataset that a script makes, as the hub converted it.
const fn converted(repo: &'static str, config: Option<&'static str>) -> DataPlace {
    DataPlace::Hub { repo, config, revision: "refs/convert/parquet", test: "test", extra: &[] }
}

const fn text(
    id: &'static str,
    columns: (&'static str, Option<&'static str>),
    metric: MetricKind,
    place: DataPlace,
    about: &'static str,
    licence: &'static str,
) -> CatalogueEntry {
    let (text, pair) = columns;
    CatalogueEntry { id, about, task: Task::Classification, metric, text, pair, label: Some("label"), place, licence }
}

const fn tags(
    id: &'static str,
    label: &'static str,
    place: DataPlace,
    about: &'static str,
    licence: &'static str,
) -> CatalogueEntry {
    let (task, metric) = (Task::Tagging, MetricKind::EntityF1);
    CatalogueEntry { id, about, task, metric, text: "tokens", pair: None, label: Some(label), place, licence }
}

/// Texts to learn to write.
const fn writing(
    id: &'static str,
    (text, label): (&'static str, Option<&'static str>),
    metric: MetricKind,
    place: DataPlace,
    about: &'static str,
    licence: &'static str,
) -> CatalogueEntry {
    CatalogueEntry { id, about, task: Task::Generation, metric, text, pair: None, label, place, licence }
}

const SENTENCES: (&str, Option<&str>) = ("sentence1", Some("sentence2"));
const GENIA: &str = "for research; from the GENIA corpus";

/// Every dataset of the catalogue.
pub static CATALOGUE: &[CatalogueEntry] = &[
    text(
        BUILTIN_DEMO,
        ("sentence", None),
        MetricKind::Accuracy,
        DataPlace::Embedded,
        "short made-up reviews; which of the judgements counts (2 classes)",
        "as this program",
    ),
    writing(
        BUILTIN_GENERATION,
        ("mr", Some("ref")),
        MetricKind::Bleu,
        DataPlace::Embedded,
        "made-up lines of a harbour's register, and how people tell them",
        "as this program",
    ),
    text(
        "glue/cola",
        ("sentence", None),
        MetricKind::Matthews,
        glue("cola", "validation", &[]),
        "is it grammatical English? (2 classes, 8.6k)",
        "for research; sentences from published linguistics",
    ),
    text(
        "glue/sst2",
        ("sentence", None),
        MetricKind::Accuracy,
        glue("sst2", "validation", &[]),
        "is a phrase of a film review positive? (2 classes, 67k)",
        "for research; from Rotten Tomatoes",
    ),
    text(
        "glue/mrpc",
        SENTENCES,
        MetricKind::Accuracy,
        glue("mrpc", "validation", &[]),
        "do two sentences of the news say the same? (2 classes, 3.7k)",
        "Microsoft Research licence",
    ),
    text(
        "glue/qqp",
        ("question1", Some("question2")),
        MetricKind::Accuracy,
        glue("qqp", "validation", &[]),
        "do two questions of Quora ask the same? (2 classes, 364k)",
        "Quora's terms: not commercial",
    ),
    CatalogueEntry {
        id: "glue/stsb",
        about: "how alike are two sentences? (a score from 0 to 5, 5.7k)",
        task: Task::Regression,
        metric: MetricKind::Spearman,
        text: "sentence1",
        pair: Some("sentence2"),
        label: Some("label"),
        place: glue("stsb", "validation", &[]),
        licence: "CC BY-SA 4.0 and others of its sources",
    },
    text(
        "glue/mnli",
        ("premise", Some("hypothesis")),
        MetricKind::Accuracy,
        glue("mnli", "validation_matched", &[("mismatched", "validation_mismatched")]),
        "does one sentence follow from, contradict, or leave open another? (3 classes, 393k)",
        "OANC licence; parts CC BY(-SA) 3.0",
    ),
    text(
        "glue/qnli",
        ("question", Some("sentence")),
        MetricKind::Accuracy,
        glue("qnli", "validation", &[]),
        "does a sentence answer a question? (2 classes, 105k)",
        "CC BY-SA 4.0 (SQuAD)",
    ),
    text(
        "glue/rte",
        SENTENCES,
        MetricKind::Accuracy,
        glue("rte", "validation", &[]),
        "does one sentence follow from another? (2 classes, 2.5k)",
        "for research",
    ),
    text(
        "glue/wnli",
        SENTENCES,
        MetricKind::Accuracy,
        glue("wnli", "validation", &[]),
        "who is meant by a pronoun? (2 classes, 635)",
        "CC BY 4.0",
    ),
    tags(
        "tner/bionlp2004",
        "tags",
        tner("tner/bionlp2004"),
        "JNLPBA: genes, proteins, cells in abstracts (5 kinds, 16.6k sentences)",
        GENIA,
    ),
    tags(
        "ncbi_disease",
        "ner_tags",
        converted("ncbi/ncbi_disease", Some("ncbi_disease")),
        "diseases in PubMed abstracts (1 kind, 5.4k sentences)",
        "public domain (NCBI)",
    ),
    tags(
        "bc2gm",
        "ner_tags",
        converted("spyysalo/bc2gm_corpus", Some("bc2gm_corpus")),
        "BioCreative II: genes in PubMed sentences (1 kind, 12.5k sentences)",
        "for research (BioCreative)",
    ),
    tags(
        "tner/bc5cdr",
        "tags",
        tner("tner/bc5cdr"),
        "BioCreative V: chemicals and diseases in abstracts (2 kinds, 5.2k sentences)",
        "for research (BioCreative)",
    ),
    tags(
        "conll2003",
        "ner_tags",
        converted("eriktks/conll2003", Some("conll2003")),
        "persons, places, organisations, others in Reuters news (4 kinds, 14k sentences)",
        "for research; Reuters' terms",
    ),
    writing(
        "e2e",
        ("meaning_representation", Some("human_reference")),
        MetricKind::E2eBleu,
        converted("tuetschek/e2e_nlg", None),
        "E2E challenge: a restaurant's features, and how people tell them (42k)",
        "CC BY-SA 4.0",
    ),
    writing(
        "webnlg",
        ("modified_triple_sets", None),
        MetricKind::Bleu,
        // The data of the challenge of 2017, which papers on LoRA score on. Its test split has the set with references, the
        // unseen part of it again, and the set without.
        converted("webnlg-challenge/web_nlg", Some("webnlg_challenge_2017")),
        "WebNLG 2017: triples of DBpedia, and texts that tell them (18k texts, 7k sets)",
        "CC BY-NC-SA 4.0",
    ),
    writing(
        "dart",
        ("tripleset", None),
        MetricKind::Bleu,
        converted("Yale-LILY/dart", None),
        "DART: triples of tables, of WebNLG and E2E, and texts that tell them (63k texts)",
        "MIT",
    ),
    writing(
        "everyday-conversations",
        ("messages", None),
        MetricKind::Perplexity,
        DataPlace::Hub {
            repo: "HuggingFaceTB/smoltalk",
            config: Some("everyday-conversations"),
            revision: "main",
            test: "test",
            extra: &[],
        },
        "SmolTalk: short conversations of everyday life, written by a model (2.3k)",
        "Apache-2.0",
    ),
];

/// The entry called `id`.
pub fn dataset(id: &str) -> Option<&'static CatalogueEntry> {
    CATALOGUE.iter().find(|entry| entry.id == id)
}

/// Whether an id that is not in the catalogue can be one of the hub, `owner/name`. No owner there is called glue: such an id
/// is a slip.
pub fn may_be_of_hub(id: &str) -> bool {
    id.contains('/') && !id.starts_with("glue/")
}
