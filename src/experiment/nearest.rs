//! "Did you mean": the right name nearest to a wrong one.

/// The candidate nearest to `name`, where one is near enough to be what was meant.
///
/// Similarity is Jaro-Winkler over lower-case text, which forgives a slip at the end more than one at the start.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    ranked(name, candidates).into_iter().next()
}

/// The candidates near to `name`, nearest first.
pub fn ranked<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    const NEAR_ENOUGH: f64 = 0.75;
    let name = name.to_lowercase();
    let mut near: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate))
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
    }
}
