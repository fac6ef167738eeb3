//! Triples with their texts - WebNLG's XML, DART's JSON, and both as the hub stores them - become prompts and replies.

use super::{dataset, load, load_error};
use autolora::data::{Content, Dataset, Example};
use autolora::experiment::{DataSettings, FileFormat, Task};
use std::fs;
use std::path::Path;

/// Prompt and reply of every row.
fn rows(dataset: &Dataset) -> Vec<(String, String)> {
    let split = |example: Example| match example.content {
        Content::Dialogue(dialogue) if dialogue.plain && dialogue.replies.len() == 1 => {
            let (prompt, reply) = dialogue.text.split_at(dialogue.replies[0].start);
            (prompt.to_owned(), reply.to_owned())
        }
        other => panic!("{other:?}"),
    };
    dataset.train.examples().unwrap().into_iter().map(split).collect()
}

fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(prompt, reply)| (prompt.to_string(), reply.to_string())).collect()
}

fn generation(settings: DataSettings) -> DataSettings {
    DataSettings { task: Task::Generation, ..settings }
}

/// The rows of a file, and what is said of it.
fn read(name: &str, text: &str) -> (Vec<(String, String)>, Vec<String>) {
    let (_folder, settings) = dataset(&[(name, text)]);
    let dataset = load(&generation(settings), None).unwrap();
    (rows(&dataset), dataset.notices())
}

/// What is said of a file that cannot be read.
fn refused(name: &str, text: &str) -> String {
    let (folder, settings) = dataset(&[(name, text)]);
    let error = load(&generation(settings), None).unwrap_err().to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

fn benchmark(entries: &str) -> String {
    format!("<?xml version=\"1.0\" ?>\n<benchmark>\n<entries>\n{entries}\n</entries>\n</benchmark>\n")
}

/// An entry with one triple.
fn entry(triple: &str, texts: &str) -> String {
    let set = format!("<modifiedtripleset><mtriple>{triple}</mtriple></modifiedtripleset>");
    format!("<entry category=\"City\" eid=\"Id1\" size=\"1\">{set}\n{texts}</entry>\n")
}

const AIRPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- A comment. -->
<benchmark>
  <entries>
    <entry category="Airport" eid="Id1" shape="(X (X) (X))" shape_type="sibling" size="2">
      <originaltripleset>
        <otriple>Aarhus_Airport | cityServed | "Aarhus, Denmark"@en</otriple>
        <otriple>Aarhus_Airport | elevation | "25.0"^^xsd:double</otriple>
      </originaltripleset>
      <modifiedtripleset>
        <mtriple>Aarhus_Airport | cityServed | "Aarhus, Denmark"</mtriple>
        <mtriple>Aarhus_Airport | elevationAboveTheSeaLevel_(in_metres) | 25.0</mtriple>
      </modifiedtripleset>
      <lex comment="good" lid="Id1">The airport of Aarhus, Denmark
        lies at 25 metres.</lex>
      <lex comment="good" lid="Id2">Aarhus Airport: 25 m.</lex>
    </entry>
    <entry category="Food" eid="Id2" size="1">
      <modifiedtripleset><mtriple>Fish_&amp;_chips | ingredient | <![CDATA["Cod <fresh> & salt"]]></mtriple></modifiedtripleset>
      <lex comment="" lid="Id1">Fish &amp; chips &lt;need&gt; <![CDATA[cod & ]]>salt&#33; &#x41;&quot;&apos;</lex>
    </entry>
  </entries>
</benchmark>
"#;

#[test]
fn each_text_of_an_entry_is_a_row() {
    let prompt = "Aarhus Airport : cityServed : Aarhus, Denmark | \
                  Aarhus Airport : elevationAboveTheSeaLevel (in metres) : 25.0";
    let all = expected(&[
        (prompt, "The airport of Aarhus, Denmark lies at 25 metres."),
        (prompt, "Aarhus Airport: 25 m."),
        ("Fish & chips : ingredient : Cod <fresh> & salt", "Fish & chips <need> cod & salt! A\"'"),
    ]);
    let (found, said) = read("train.xml", AIRPORT);
    assert_eq!(found, all);
    assert_eq!(said, ["rows are read as triples and the texts that tell them, by modifiedtripleset and lex"]);
    let marked = format!("\u{feff}{}", AIRPORT.replace('\n', "\r\n"));
    assert_eq!(read("train.xml", &marked).0, all, "a byte order mark and the line ends of another system");
    let (_folder, settings) = dataset(&[("train.data", AIRPORT)]);
    let settings = DataSettings { format: Some(FileFormat::WebNlg), max_train_rows: Some(2), ..generation(settings) };
    assert_eq!(rows(&load(&settings, None).unwrap()), all[..2]);
}

#[test]
fn texts_that_cannot_be_learnt_are_left_out_and_counted() {
    let texts = "<lex comment=\"good\" lid=\"Id1\" lang=\"en\">One.</lex><lex comment=\"good\" lang=\"ru\">Раз.</lex>\
                 <lex lang=\"ru\">Два.</lex><lex comment=\"toFix\" lang=\"en\">Bad.</lex><lex comment=\"good\"/><lex>  </lex>";
    let xml =
        benchmark(&[entry("a | p | b", texts), entry("c | p | d", ""), entry("e | p | f", "<lex>Two.</lex>")].concat());
    let (found, said) = read("train.xml", &xml);
    assert_eq!(found, expected(&[("a : p : b", "One."), ("e : p : f", "Two.")]));
    let left_out = "data.train: left out: 2 texts in ru, not en; 1 text marked toFix, not good; 2 texts that are empty; \
                    1 entry without a text";
    assert_eq!(said[1], left_out);
    let russian = benchmark(&entry("a | p | b", "<lex lang=\"ru\">Раз.</lex>"));
    assert_eq!(refused("train.xml", &russian), "train.xml has no rows that are read: 1 text in ru, not en");
}

#[test]
fn the_enriched_release_has_its_texts_one_level_down() {
    let lex = "<lex comment=\"good\" lid=\"Id1\">\n<sortedtripleset><sentence ID=\"1\"><striple>a | p | b</striple></sentence>\
               </sortedtripleset>\n<text>A &amp; b.</text>\n<template>AGENT-1 b .</template>\n</lex>";
    assert_eq!(read("train.xml", &benchmark(&entry("a | p | b", lex))).0, expected(&[("a : p : b", "A & b.")]));
}

#[test]
fn an_entry_without_modified_triples_has_its_first_original_ones() {
    let originals = "<originaltripleset><otriple>a | p | \"507.0\"^^xsd:double</otriple></originaltripleset>\
                     <originaltripleset><otriple>never | read | this</otriple></originaltripleset>";
    let xml = benchmark(&format!("<entry>{originals}<lex>One.</lex></entry>"));
    assert_eq!(read("train.xml", &xml).0, expected(&[("a : p : 507.0", "One.")]));
}

#[test]
fn broken_entries_are_named_by_their_line() {
    let cases = [
        (
            "<entry><lex>One.</lex></entry>",
            "train.xml:4: the entry has no triples: its modifiedtripleset is missing or empty",
        ),
        (
            "\n<entry><modifiedtripleset><mtriple>a | b</mtriple></modifiedtripleset><lex>One.</lex></entry>",
            "train.xml:5: the triple \"a | b\" has 2 parts where `subject | property | object` is needed",
        ),
        (
            &entry("a | p | b", "\n<lex>One&nbsp;two.</lex>"),
            "train.xml:4: line 6: &nbsp; is no entity of XML; write the character itself",
        ),
        (
            &entry("a | p | b", "<lex>One <i>big</i> two.</lex>"),
            "train.xml:4: line 5: a lex with both text and tags inside; < in a text is written &lt;",
        ),
        (
            &entry("a | p | b", "<lex><i>big</i> two.</lex>"),
            "train.xml:4: line 5: a lex with both text and tags inside; < in a text is written &lt;",
        ),
    ];
    for (broken, expected) in cases {
        let seen = refused("train.xml", &benchmark(broken));
        assert!(seen.starts_with(&format!("{expected}; repair it, or set data.max_bad_share")), "{seen}");
        let (_folder, settings) =
            dataset(&[("train.xml", &benchmark(&format!("{broken}{}", entry("c | p | d", "<lex>Good.</lex>"))))]);
        let settings = DataSettings { max_bad_share: 0.5, ..generation(settings) };
        let dataset = load(&settings, None).unwrap();
        assert_eq!((rows(&dataset).len(), dataset.train.bad.count), (1, 1), "{broken}");
    }
}

#[test]
fn what_is_not_xml_says_the_line_and_what_was_seen() {
    let start = "<benchmark>\n<entries>\n<entry>\n";
    let cases: &[(String, &str)] = &[
        (
            format!("{start}<lex>One.</lexx>\n</entry>"),
            "train.xml:4: not XML: </lexx> where </lex> is needed, for the tag that line 4 opens",
        ),
        (format!("{start}<lex>\n"), "train.xml:5: the file ends inside <lex>, which line 4 opens"),
        (
            format!("{start}<lex>One & two</lex>"),
            "train.xml:4: not XML: a & that begins no entity; it is written &amp;",
        ),
        (
            format!("{start}<lex lang=\"en>One.</lex>\n\n"),
            "train.xml:4: not XML: syntax error: attribute value not closed",
        ),
        (format!("{start}<lex lang=en>One.</lex>"), "train.xml:4: not XML: "),
        ("\n<html><body/></html>".into(), "train.xml:2: <html> where WebNLG's XML begins with <benchmark>"),
        ("no tag at all".into(), "train.xml has no rows"),
        (String::new(), "train.xml has no rows"),
        (benchmark(""), "train.xml has no rows"),
    ];
    for (text, expected) in cases {
        let seen = refused("train.xml", text);
        assert!(seen.starts_with(expected), "{seen:?} does not begin with {expected:?}");
    }
    let (folder, settings) = dataset(&[("train.xml", "")]);
    let path = folder.path().join("train.xml");
    for (bytes, expected) in [
        (&b"<benchmark>\n<entries>\n<entry><lex>caf\xe9</lex>"[..], "train.xml:3: not UTF-8 text; save it as UTF-8"),
        (b"\xff\xfe<\0b\0", "train.xml:1: not UTF-8 text; it is UTF-16"),
    ] {
        fs::write(&path, bytes).unwrap();
        let seen = load(&generation(settings.clone()), None).unwrap_err().to_string();
        assert!(seen.contains(expected), "{seen}");
    }
}

#[test]
fn a_damaged_xml_file_is_an_error_and_no_panic() {
    let input = |bytes: &[u8]| autolora::data::input::Input::memory("data.train", "a.xml", bytes);
    let read = |bytes: &[u8]| {
        let options = autolora::data::reader::ReadOptions::of(&[]);
        let taken = &mut |_: &_, _| Ok(autolora::data::reader::Verdict::Taken);
        autolora::data::reader::read(&[input(bytes)], &options, taken).map(|summary| summary.rows)
    };
    assert_eq!(read(AIRPORT.as_bytes()).unwrap(), 3);
    for place in 0..AIRPORT.len() - 2 {
        assert!(read(&AIRPORT.as_bytes()[..place]).is_err(), "the first {place} bytes");
        let mut bytes = AIRPORT.as_bytes().to_vec();
        bytes[place] ^= 0x15;
        // Some bytes do not matter; none may end the program.
        let _ = read(&bytes);
    }
}

#[test]
fn a_folder_of_xml_is_read_by_path() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let one = |object: &str| benchmark(&entry(&format!("a | p | {object}"), "<lex>One.</lex>"));
    write("train/2triples/Airport.xml", &one("third"));
    write("train/1triples/City.xml", &one("second"));
    write("train/1triples/Airport.XML", &one("first"));
    write("train/README.md", "no data");
    let settings =
        |part: &str| generation(DataSettings { train: Some(folder.path().join(part)), ..DataSettings::default() });
    let dataset = load(&settings("train"), None).unwrap();
    let prompts: Vec<String> = rows(&dataset).into_iter().map(|(prompt, _)| prompt).collect();
    assert_eq!(prompts, ["a : p : first", "a : p : second", "a : p : third"]);
    let before = dataset.train.sha256.clone();
    write("train/1triples/City.xml", &one("other"));
    assert_ne!(load(&settings("train"), None).unwrap().train.sha256, before, "every file counts");
    write("train/2triples/Airport.xml", "<benchmark>\n</benchmark>x</y>");
    let seen = load(&settings("train"), None).unwrap_err().to_string();
    assert!(seen.contains("2triples/Airport.xml:2: not XML: "), "{seen}");
    write("none/a.csv", "text,label\n");
    let seen = load(&settings("none"), None).unwrap_err().to_string();
    assert!(seen.starts_with("data.train: ") && seen.contains("is a folder without .xml files"), "{seen}");
}

#[test]
fn xml_is_for_generation_and_has_no_columns() {
    let seen = load_error(&[("train.xml", AIRPORT)]);
    let expected = "train.xml has triples and texts, as WebNLG's XML: data.task must be \"generation\", and is \
                    \"classification\"";
    assert_eq!(seen, expected);
    let (_folder, settings) = dataset(&[("train.xml", AIRPORT)]);
    let settings = DataSettings { text: Some("mtriple".into()), ..generation(settings) };
    let seen = load(&settings, None).unwrap_err().to_string();
    assert!(seen.starts_with("data.text = \"mtriple\": ") && seen.ends_with("has no columns; leave it out"), "{seen}");
    let seen = load_error(&[("train.jsonl", "{\"tripleset\": [], \"annotations\": []}\n")]);
    assert!(seen.ends_with("; for texts to learn to write: data.task = \"generation\""), "{seen}");
}

const DART: &str = r#"[
  {
    "tripleset": [
      ["Mars Hill College", "JOINED", "1973"],
      ["Mars Hill College", "LOCATION", "Mars_Hill,_North_Carolina"]
    ],
    "subtree_was_extended": true,
    "annotations": [
      {"source": "WikiSQL_decl_sents", "text": "A school from Mars Hill, \"North\" Carolina, joined in 1973."},
      {"source": "WikiSQL_lily", "text": "It joined [in] 1973."}
    ]
  },
  {
    "annotations": [{"source": "e2e", "text": "Blue Spice is cheap."}],
    "tripleset": [["Blue Spice", "priceRange", "cheap"]]
  }
]
"#;

#[test]
fn darts_own_json_is_an_array() {
    let prompt = "Mars Hill College : joined : 1973 | Mars Hill College : location : Mars Hill, North Carolina";
    let all = expected(&[
        (prompt, "A school from Mars Hill, \"North\" Carolina, joined in 1973."),
        (prompt, "It joined [in] 1973."),
        ("Blue Spice : pricerange : cheap", "Blue Spice is cheap."),
    ]);
    let (found, said) = read("train.json", DART);
    assert_eq!(found, all);
    assert_eq!(said, ["rows are read as triples and the texts that tell them, by tripleset and annotations"]);
    let parsed: serde_json::Value = serde_json::from_str(DART).unwrap();
    assert_eq!(read("train.json", &parsed.to_string()).0, all, "in one line");
    let lines: String = parsed.as_array().unwrap().iter().map(|row| format!("{row}\n")).collect();
    assert_eq!(read("train.jsonl", &lines).0, all, "one object a line");
    let broken = DART.replace("[[\"Blue Spice\", \"priceRange\", \"cheap\"]]", "[[\"Blue Spice\", \"cheap\"]]");
    let expected = "train.json:13: `tripleset[0]` is a list of 2; a triple is three texts; repair it";
    assert!(refused("train.json", &broken).starts_with(expected), "{}", refused("train.json", &broken));
}

fn parquet(name: &str) -> DataSettings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parquet").join(name);
    generation(DataSettings { train: Some(path), ..DataSettings::default() })
}

#[test]
fn the_hubs_parquet_files_have_rows_in_rows() {
    let dataset = load(&parquet("webnlg.parquet"), None).unwrap();
    let prompt = "A b : p : C, d | A b : q : E";
    let all = expected(&[(prompt, "One."), (prompt, "Two."), ("F : r : G", "Two.")]);
    assert_eq!(rows(&dataset), all);
    let said = "data.train: left out: 1 text in ru, not en; 2 texts marked toFix, not good; 1 entry without a text";
    assert_eq!(dataset.notices()[1], said);
    let seen = load(&parquet("dart.parquet"), None).unwrap_err().to_string();
    assert!(seen.contains("dart.parquet:2: `tripleset[0]` is a list of 3; a triple is three texts"), "{seen}");
    let dataset = load(&DataSettings { max_bad_share: 0.5, ..parquet("dart.parquet") }, None).unwrap();
    let prompt = "Mars Hill : joined : 1973 | Mars Hill : location : Mars Hill";
    assert_eq!(rows(&dataset), expected(&[(prompt, "One."), (prompt, "Two.")]));
}

#[test]
fn conversations_are_read_from_parquet_too() {
    let dataset = load(&parquet("messages.parquet"), None).unwrap();
    assert_eq!(dataset.notices(), ["rows are read as instruction data, by messages"]);
    let roles = |example: Example| match example.content {
        Content::Instruction(autolora::data::chat::Row::Chat(messages)) => {
            let turn = |m: &autolora::data::chat::Message| format!("{}: {}", m.role(), m.content().unwrap());
            messages.iter().map(turn).collect::<Vec<_>>().join(", ")
        }
        other => panic!("{other:?}"),
    };
    let all: Vec<String> = dataset.train.examples().unwrap().into_iter().map(roles).collect();
    assert_eq!(
        all,
        ["user: hi, assistant: yo, user: who, assistant: me", "system: be brief, user: bye, assistant: by"]
    );
}
