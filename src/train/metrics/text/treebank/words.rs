//! Words that the Treebank treats one by one.

/// Keep their point, whatever their case.
const ABBREVIATIONS: [&str; 75] = [
    "adm", "al", "ala", "apr", "ariz", "assn", "aug", "ave", "bhd", "bldg", "blvd", "bros", "ca", "calif", "capt",
    "cf", "co", "col", "corp", "ct", "dec", "dept", "dr", "esq", "est", "etc", "feb", "fla", "fri", "ft", "ga", "gen",
    "gov", "hon", "inc", "jan", "jr", "jul", "jun", "lt", "ltd", "maj", "mar", "md", "messrs", "minn", "mme", "mon",
    "mr", "mrs", "ms", "mt", "nov", "oct", "okla", "prof", "pty", "rd", "rep", "rev", "sen", "sept", "sgt", "spc",
    "sq", "sr", "st", "tel", "tenn", "thurs", "tues", "univ", "va", "vs", "wed",
];

/// Keep their point where they start with a capital. In lowercase they are words that end sentences.
const CAPITAL_ABBREVIATIONS: [&str; 6] = ["Ill", "Mass", "Ore", "Pa", "Tex", "Wash"];

/// Keep their point before a number, whatever their case.
const NUMBERED: [&str; 10] = ["art", "arts", "ext", "fig", "figs", "no", "nos", "op", "p", "pp"];

/// Two words each, of which the first has three letters.
const JOINED: [&str; 6] = ["cannot", "gonna", "gotta", "gimme", "lemme", "wanna"];

pub(super) fn is_abbreviation(word: &str) -> bool {
    ABBREVIATIONS.contains(&word.to_lowercase().as_str()) || CAPITAL_ABBREVIATIONS.contains(&word)
}

pub(super) fn is_numbered(word: &str) -> bool {
    NUMBERED.contains(&word.to_lowercase().as_str())
}

/// A token in the parts that the Treebank writes separately.
pub(super) fn parts(token: &[char]) -> Vec<String> {
    let word = token.iter().collect::<String>().replace("&amp;", "&");
    if JOINED.contains(&word.to_lowercase().as_str()) {
        let (first, second) = token.split_at(3);
        vec![first.iter().collect(), second.iter().collect()]
    } else {
        vec![word]
    }
}
