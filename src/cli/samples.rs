//! Samples of the held-out rows as text.

use crate::run::view::SampleView;
use crate::tui::text::clean;
use std::io::{self, Write};

/// Samples that are printed: the newest ones.
const MOST: usize = 3;

/// Prints the newest samples, the newest first, a line a text; nothing where there are none.
pub fn write_samples(samples: &[SampleView], out: &mut impl Write) -> io::Result<()> {
    if samples.is_empty() {
        return Ok(());
    }
    writeln!(out, "samples  newest first, {} of {}", samples.len().min(MOST), samples.len())?;
    for sample in samples.iter().rev().take(MOST) {
        let texts = [("input", &sample.input), ("reference", &sample.reference), ("output", &sample.output)];
        for (label, text) in texts {
            let text = if text.trim().is_empty() { "(nothing)".into() } else { clean(text.trim()) };
            writeln!(out, "  {label:<9}  {text}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_samples_are_printed_a_line_a_text_and_steer_no_terminal() {
        let sample = |n: usize| SampleView {
            input: format!("boat {n}\u{1b}[2J"),
            reference: "A boat\ncomes in.".into(),
            output: if n == 4 { " ".into() } else { "A boat.".into() },
        };
        let text = |samples: &[SampleView]| {
            let mut out = Vec::new();
            write_samples(samples, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let samples: Vec<SampleView> = (1..=4).map(sample).collect();
        assert_eq!(
            text(&samples),
            "samples  newest first, 3 of 4\n\
             \x20 input      boat 4?[2J\n  reference  A boat comes in.\n  output     (nothing)\n\
             \x20 input      boat 3?[2J\n  reference  A boat comes in.\n  output     A boat.\n\
             \x20 input      boat 2?[2J\n  reference  A boat comes in.\n  output     A boat.\n"
        );
        assert_eq!(text(&[]), "");
    }
}
