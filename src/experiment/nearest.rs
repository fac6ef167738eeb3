//! "Did you mean": the right name nearest to a wrong one.

/// The candidate nearest to `name`, where one is near enough to be what was meant.
///
/// Similarity is Jaro-Winkler over lower-case text, which forgives a slip at the end more than one at the start. Who writes a
/// whole part of a name (`sst2` of `glue-sst2`) means it.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    ranked(name, candidates).into_iter().next()
}

/// The candidates near to `name`, nearest first.
pub fn ranked<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    const NEAR_ENOUGH: f64 = 0.75;
    const A_PART: f64 = 0.9;
    let name = name.to_lowercase();
    let similarity = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let is_part = candidate.split(|c: char| !c.is_alphanumeric()).any(|part| part == name && !part.is_empty());
        strsim::jaro_winkler(&name, &candidate).max(if is_part { A_PART } else { 0.0 })
    };
    let mut near: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| (similarity(candidate), candidate))
        .filter(|(similarity, _)| *similarity >= NEAR_ENOUGH)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let words = ["softmax", "global", "sigmoid", "free"];
        assert_eq!(nearest("sofmax", words), Some("softmax"));
        assert_eq!(nearest("SIGMOD", words), Some("sigmoid"));
        assert_eq!(nearest("quantum", words), None);
        assert_eq!(nearest("sst2", ["demo", "glue-sst2", "conll2003"]), Some("glue-sst2"));
        assert_eq!(nearest("", ["-x"]), None, "nothing is no part of a name");
    }
}
