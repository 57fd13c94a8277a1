//! The known word that was probably meant.

use strsim::damerau_levenshtein;

/// Words of this many letters or more may be off by one slip for each so many letters; shorter ones by one.
const LETTERS_A_SLIP: usize = 4;
/// More slips than these make another word. It also keeps a key of any length from needing a table of distances as long.
const MOST_SLIPS: usize = 3;

/// The word of `known` that `word` is a slip of, if there is one: the same but for case, dashes and underscores, or
/// with one letter wrong, missing, added or swapped for every four.
///
/// The distance is that of Damerau and Levenshtein. Of words equally near, the first.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = folded(word);
    let slips = (word.chars().count() / LETTERS_A_SLIP).clamp(1, MOST_SLIPS);
    known
        .into_iter()
        .filter(|k| k.chars().count().abs_diff(word.chars().count()) <= slips)
        .map(|k| (damerau_levenshtein(&word, &folded(k)), k))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// `did you mean "max_abs"?`, or all that is known after `lead`.
pub(super) fn remedy(word: &str, known: &[&str], lead: &str) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("{lead} {}", super::names(known.iter().copied())),
    }
}

fn folded(word: &str) -> String {
    word.to_lowercase().replace(['-', ' ', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["max_abs", "mean_abs", "rmse", "psnr", "autocorrelation"];

    #[test]
    fn a_slip_leads_to_the_word_and_another_word_to_none() {
        for (slip, word) in [
            ("max_asb", Some("max_abs")),
            ("Max-Abs", Some("max_abs")),
            ("PSNR", Some("psnr")),
            ("rsme", Some("rmse")),
            ("autocorelatoin", Some("autocorrelation")),
            ("temperature", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(slip, KNOWN.iter().copied()), word, "{slip}");
        }
        assert!(remedy("temperature", KNOWN, "known:").contains("known: max_abs, mean_abs"));
    }
}
