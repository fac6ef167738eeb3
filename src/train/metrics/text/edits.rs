//! Edit distance between words, within a band around the diagonal, and the alignment that it implies.

/// Half the width of the band, in words of the reference. As wide as Tercom's beam.
const BEAM: usize = 25;

/// Of a cell outside the band. So low that it can be added to.
const UNREACHED: u32 = u32::MAX / 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    Match,
    Substitute,
    /// A word of the reference that the hypothesis lacks.
    Insert,
    /// A word of the hypothesis that the reference lacks.
    Delete,
    Unreached,
}

/// Costs of turning each start of the hypothesis into each start of the reference.
pub(super) struct EditTable<'a> {
    reference: &'a [usize],
    band: Band,
    rows: Vec<Vec<u32>>,
    edits: Vec<Vec<Edit>>,
}

/// What of each row is computed. The diagonal is that of the table, whatever its shape.
struct Band {
    slope: f64,
    width: usize,
    rows: usize,
    columns: usize,
}

impl Band {
    fn new(hypothesis: usize, reference: usize) -> Self {
        let slope = if hypothesis == 0 { 1.0 } else { reference as f64 / hypothesis as f64 };
        // Bands of neighbouring rows must overlap.
        let width = if slope / 2.0 > BEAM as f64 { (slope / 2.0 + BEAM as f64).ceil() as usize } else { BEAM };
        Self { slope, width, rows: hypothesis, columns: reference + 1 }
    }

    fn columns(&self, row: usize) -> std::ops::Range<usize> {
        let diagonal = (row as f64 * self.slope).floor() as usize;
        let end = if row == self.rows { self.columns } else { self.columns.min(diagonal + self.width) };
        diagonal.saturating_sub(self.width)..end
    }
}

impl<'a> EditTable<'a> {
    pub(super) fn new(hypothesis: &[usize], reference: &'a [usize]) -> Self {
        let columns = reference.len() + 1;
        let mut table = Self {
            reference,
            band: Band::new(hypothesis.len(), reference.len()),
            rows: vec![(0..columns as u32).collect()],
            edits: vec![vec![Edit::Insert; columns]],
        };
        for (at, word) in hypothesis.iter().enumerate() {
            let mut row = vec![UNREACHED; columns];
            let mut edits = vec![Edit::Unreached; columns];
            table.fill(at + 1, *word, &table.rows[at], &mut row, |column, edit| edits[column] = edit);
            table.rows.push(row);
            table.edits.push(edits);
        }
        table
    }

    /// Fewest edits, without shifts.
    pub(super) fn cost(&self) -> u32 {
        self.rows.last().and_then(|row| row.last()).copied().unwrap_or(0)
    }

    /// [`Self::cost`] for `other` in the place of `hypothesis`, which the table is of. Both are as long.
    pub(super) fn cost_of(&self, hypothesis: &[usize], other: &[usize]) -> u32 {
        let same = hypothesis.iter().zip(other).take_while(|(a, b)| a == b).count();
        let mut above = self.rows[same].clone();
        let mut row = above.clone();
        for (at, word) in other.iter().enumerate().skip(same) {
            row.fill(UNREACHED);
            self.fill(at + 1, *word, &above, &mut row, |_, _| ());
            std::mem::swap(&mut above, &mut row);
        }
        above.last().copied().unwrap_or(0)
    }

    /// Fills the band of the row that `word` of the hypothesis ends, which is all [`UNREACHED`], from the one above.
    fn fill(&self, at: usize, word: usize, above: &[u32], row: &mut [u32], mut chosen: impl FnMut(usize, Edit)) {
        for column in self.band.columns(at) {
            let mut best = (row[column], Edit::Unreached);
            // The first of those that cost the same wins.
            if column > 0 {
                let same = word == self.reference[column - 1];
                let edit = if same { Edit::Match } else { Edit::Substitute };
                best = cheaper(best, above[column - 1] + u32::from(!same), edit);
            }
            best = cheaper(best, above[column] + 1, Edit::Delete);
            if column > 0 {
                best = cheaper(best, row[column - 1] + 1, Edit::Insert);
            }
            row[column] = best.0;
            chosen(column, best.1);
        }
    }

    pub(super) fn alignment(&self) -> Alignment {
        let (mut row, mut column) = (self.rows.len() - 1, self.reference.len());
        let mut path = Vec::with_capacity(row + column);
        while row > 0 || column > 0 {
            let edit = self.edits[row][column];
            match edit {
                Edit::Match | Edit::Substitute => (row, column) = (row - 1, column - 1),
                Edit::Insert => column -= 1,
                Edit::Delete => row -= 1,
                Edit::Unreached => break,
            }
            path.push(edit);
        }
        let mut alignment = Alignment { after: vec![0], hypothesis_errors: Vec::new(), reference_errors: Vec::new() };
        for edit in path.into_iter().rev() {
            if edit != Edit::Insert {
                alignment.hypothesis_errors.push(edit != Edit::Match);
            }
            if edit != Edit::Delete {
                alignment.reference_errors.push(edit != Edit::Match);
                alignment.after.push(alignment.hypothesis_errors.len());
            }
        }
        alignment
    }
}

fn cheaper(best: (u32, Edit), cost: u32, edit: Edit) -> (u32, Edit) {
    if cost < best.0 { (cost, edit) } else { best }
}

/// Which words of hypothesis and reference stand for each other, and which are wrong.
pub(super) struct Alignment {
    /// For each number of words of the reference, the number of words of the hypothesis up to the last one's place.
    after: Vec<usize>,
    pub(super) hypothesis_errors: Vec<bool>,
    pub(super) reference_errors: Vec<bool>,
}

impl Alignment {
    /// Where in the hypothesis the first `words` of the reference end. None past its end.
    pub(super) fn position_after(&self, words: usize) -> Option<usize> {
        self.after.get(words).copied()
    }
}
