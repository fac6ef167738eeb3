//! Module paths as a grid: a row per layer, a column per kind of module.

use crate::run::view::ModuleView;

/// The LoRA modules of a run, arranged.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// Headings of the columns, short and distinct: `query`, `value`, `attention.dense`.
    pub kinds: Vec<String>,
    /// Headings of the rows: the layer's number, with its stack (`decoder 3`) where there are several.
    pub layers: Vec<String>,
    /// Index into the modules of the run, by row and column.
    pub cells: Vec<Vec<Option<usize>>>,
}

/// A path taken apart: `bert.encoder.layer.3.attention.self.query` is stack `bert.encoder.layer`, layer 3, kind
/// `attention.self.query`.
struct Place<'a> {
    stack: &'a str,
    layer: Option<usize>,
    kind: &'a str,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Place<'a> {
        let mut start = 0;
        for segment in path.split('.') {
            if let Ok(layer) = segment.parse() {
                let stack = path[..start].trim_end_matches('.');
                let kind = path[start + segment.len()..].trim_start_matches('.');
                return Place { stack, layer: Some(layer), kind };
            }
            start += segment.len() + 1;
        }
        Place { stack: "", layer: None, kind: path }
    }
}

impl Grid {
    /// Arranges modules, rows and columns in the order of the model.
    pub fn of(modules: &[ModuleView]) -> Grid {
        let places: Vec<Place> = modules.iter().map(|module| Place::of(&module.path)).collect();
        let mut rows: Vec<(&str, Option<usize>)> = Vec::new();
        let mut kinds: Vec<&str> = Vec::new();
        let mut spots = Vec::new();
        for place in &places {
            let row = index_of(&mut rows, (place.stack, place.layer));
            spots.push((row, index_of(&mut kinds, place.kind)));
        }
        let mut cells = vec![vec![None; kinds.len()]; rows.len()];
        for (module, (row, column)) in spots.into_iter().enumerate() {
            cells[row][column] = Some(module);
        }
        Grid { kinds: short_names(&kinds), layers: row_names(&rows), cells }
    }

    /// The module at a row and column.
    pub fn module(&self, row: usize, column: usize) -> Option<usize> {
        self.cells.get(row)?.get(column).copied().flatten()
    }
}

fn index_of<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

fn row_names(rows: &[(&str, Option<usize>)]) -> Vec<String> {
    let mut stacks: Vec<&str> = Vec::new();
    for (stack, layer) in rows {
        if layer.is_some() {
            index_of(&mut stacks, stack);
        }
    }
    let names = short_names(&stacks);
    let name = |(stack, layer): &(&str, Option<usize>)| match layer {
        None => "-".to_owned(),
        Some(layer) if stacks.len() < 2 => layer.to_string(),
        Some(layer) => {
            let stack = stacks.iter().position(|known| known == stack).map_or("", |i| names[i].as_str());
            format!("{stack} {layer}")
        }
    };
    rows.iter().map(name).collect()
}

/// The shortest ends of the paths that tell them apart, counted in whole segments.
fn short_names(paths: &[&str]) -> Vec<String> {
    let end = |path: &str, segments: usize| {
        let parts: Vec<&str> = path.split('.').collect();
        parts[parts.len().saturating_sub(segments)..].join(".")
    };
    let distinct = |path: &str| {
        let longest = path.split('.').count();
        let alone = |n: &usize| paths.iter().filter(|other| end(other, *n) == end(path, *n)).count() == 1;
        end(path, (1..=longest).find(alone).unwrap_or(longest))
    };
    paths.iter().map(|path| distinct(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::ModuleShape;

    fn grid(paths: &[&str]) -> Grid {
        let shape = ModuleShape { inputs: 1, outputs: 1 };
        let module = |path: &&str| ModuleView {
            path: (*path).into(),
            shape: shape.clone(),
            alpha: Vec::new(),
            energy: Vec::new(),
            rank: None,
        };
        Grid::of(&paths.iter().map(module).collect::<Vec<_>>())
    }

    #[test]
    fn bert_has_a_row_per_layer() {
        let grid = grid(&[
            "bert.encoder.layer.0.attention.self.query",
            "bert.encoder.layer.0.attention.self.value",
            "bert.encoder.layer.10.attention.self.query",
        ]);
        assert_eq!(grid.kinds, ["query", "value"]);
        assert_eq!(grid.layers, ["0", "10"]);
        assert_eq!(grid.cells, [[Some(0), Some(1)], [Some(2), None]]);
        assert_eq!((grid.module(1, 0), grid.module(1, 1), grid.module(2, 0)), (Some(2), None, None));
    }

    #[test]
    fn kinds_with_one_ending_are_told_apart() {
        let grid = grid(&["h.0.attention.output.dense", "h.0.output.dense", "h.0.intermediate.dense"]);
        assert_eq!(grid.kinds, ["attention.output.dense", "output.dense", "intermediate.dense"]);
    }

    #[test]
    fn two_stacks_and_modules_outside_layers_have_rows_of_their_own() {
        let grid = grid(&["encoder.layers.0.q", "decoder.layers.0.q", "lm_head"]);
        assert_eq!(grid.layers, ["encoder.layers 0", "decoder.layers 0", "-"]);
        assert_eq!(grid.kinds, ["q", "lm_head"]);
    }

    #[test]
    fn no_modules_are_an_empty_grid() {
        assert_eq!(grid(&[]), Grid::default());
    }
}
