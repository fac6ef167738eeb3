//! Figures beside their budgets.

use serde_json::{Value, json};

/// A measured value.
pub struct Figure {
    value: f64,
    unit: Unit,
    budget: Option<f64>,
}

#[derive(Clone, Copy)]
enum Unit {
    Ms,
    Percent,
    Bytes,
    Count,
}

impl Figure {
    fn new(value: f64, unit: Unit) -> Figure {
        Figure { value, unit, budget: None }
    }

    pub fn ms(value: f64) -> Figure {
        Figure::new(value, Unit::Ms)
    }

    pub fn percent(value: f64) -> Figure {
        Figure::new(value, Unit::Percent)
    }

    pub fn bytes(value: f64) -> Figure {
        Figure::new(value, Unit::Bytes)
    }

    pub fn count(value: f64) -> Figure {
        Figure::new(value, Unit::Count)
    }

    pub fn at_most(self, budget: f64) -> Figure {
        Figure { budget: Some(budget), ..self }
    }

    fn is_over(&self) -> bool {
        self.budget.is_some_and(|budget| self.value > budget)
    }

    fn words(&self, value: f64) -> String {
        match self.unit {
            Unit::Ms => format!("{value:.2} ms"),
            Unit::Percent => format!("{value:.2} %"),
            Unit::Bytes if value >= 1024.0 * 1024.0 => format!("{:.1} MiB", value / 1024.0 / 1024.0),
            Unit::Bytes if value >= 1024.0 => format!("{:.1} KiB", value / 1024.0),
            Unit::Bytes => format!("{value:.0} B"),
            Unit::Count => format!("{value:.0}"),
        }
    }
}

/// All figures, in the order in which they were measured.
#[derive(Default)]
pub struct Report {
    lines: Vec<(String, String, Figure)>,
}

impl Report {
    pub fn add(&mut self, case: &str, what: &str, figure: Figure) {
        self.lines.push((case.into(), what.into(), figure));
    }

    pub fn print_table(&self) {
        println!("{:<12} {:<28} {:>12} {:>12}", "", "", "measured", "budget");
        for (case, what, figure) in &self.lines {
            let budget = figure.budget.map_or(String::new(), |budget| figure.words(budget));
            let verdict = match figure.budget {
                None => "",
                Some(_) if figure.is_over() => "over",
                Some(_) => "pass",
            };
            println!("{case:<12} {what:<28} {:>12} {budget:>12} {verdict}", figure.words(figure.value));
        }
    }

    pub fn print_json(&self) {
        let figures: Vec<Value> = self
            .lines
            .iter()
            .map(|(case, what, figure)| {
                let unit = match figure.unit {
                    Unit::Ms => "ms",
                    Unit::Percent => "percent",
                    Unit::Bytes => "bytes",
                    Unit::Count => "count",
                };
                let pass = figure.budget.map(|_| !figure.is_over());
                json!({"case": case, "what": what, "value": figure.value, "unit": unit, "budget": figure.budget, "pass": pass})
            })
            .collect();
        println!("{}", json!({ "figures": figures }));
    }
}
