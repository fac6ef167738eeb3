use super::*;
use proptest::prelude::*;

pub fn row(id: &str, name: &str, state: State) -> RunRow {
    RunRow {
        id: id.into(),
        name: name.into(),
        dir: String::new(),
        state,
        place: None,
        phase: None,
        step: 0,
        total: 0,
        warms_up: false,
        left: None,
        ranks: None,
        score: None,
        best: None,
        last: None,
        took: None,
        model: "builtin:demo".into(),
        data: "glue/sst2".into(),
        started: Some(format!("2026-11-{id}T00:00:00.000Z")),
        parent: None,
        parent_name: None,
        notes: Notes::default(),
        error: None,
        damage: None,
        unreadable: None,
        reads_on: false,
    }
}

/// Newest first.
fn rows() -> Vec<RunRow> {
    let mut rows = vec![
        row("25", "b", State::Running),
        row("24", "A", State::Finished),
        row("23", "c", State::Failed),
        row("22", "a", State::Finished),
        row("21", "d", State::Finished),
    ];
    rows[0].best = Some((3, 0.5));
    rows[1].score = Some(("accuracy".into(), 0.8));
    rows[3].score = Some(("accuracy".into(), 0.9));
    rows[4].score = Some(("perplexity".into(), 12.0));
    rows[2].notes.star = true;
    rows[3].notes.tags = vec!["paper".into()];
    rows
}

fn ids(runs: &Runs) -> Vec<&str> {
    runs.shown().map(|row| row.id.as_str()).collect()
}

fn sorted(key: Key, reversed: bool) -> Vec<String> {
    let mut runs = Runs::default();
    runs.kept.order = Order { key, reversed };
    runs.show(rows());
    ids(&runs).into_iter().map(String::from).collect()
}

#[test]
fn the_table_is_sorted_by_any_column_newest_first_among_equals() {
    assert_eq!(sorted(Order::default().key, false), ["25", "24", "23", "22", "21"]);
    assert_eq!(sorted(Order::default().key, true), ["21", "22", "23", "24", "25"]);
    assert_eq!(sorted(Key::Star, false), ["23", "25", "24", "22", "21"]);
    assert_eq!(sorted(Key::Name, false), ["24", "22", "25", "23", "21"]);
    assert_eq!(sorted(Key::Column(Column::State), false), ["25", "23", "24", "22", "21"]);
    assert_eq!(sorted(Key::Column(Column::Model), true), ["25", "24", "23", "22", "21"]);
}

#[test]
fn scores_of_one_name_stand_together_best_first_and_runs_without_one_last_either_way() {
    assert_eq!(sorted(Key::Column(Column::Score), false), ["22", "24", "21", "25", "23"]);
    assert_eq!(sorted(Key::Column(Column::Score), true), ["24", "22", "21", "25", "23"]);
    assert_eq!(sorted(Key::Column(Column::Tags), false), ["22", "25", "24", "23", "21"]);
    assert_eq!(sorted(Key::Column(Column::Tags), true), ["22", "25", "24", "23", "21"]);
}

#[test]
fn losses_are_better_where_they_are_less() {
    let mut runs = Runs::default();
    runs.kept.order = Order { key: Key::Column(Column::Score), reversed: false };
    let mut rows = vec![row("3", "a", State::Finished), row("2", "b", State::Finished), row("1", "c", State::Finished)];
    for (row, value) in rows.iter_mut().zip([20.0, f64::NAN, 10.0]) {
        row.score = Some(("perplexity".into(), value));
    }
    runs.show(rows);
    assert_eq!(ids(&runs), ["1", "3", "2"], "and what is no number is last");
}

#[test]
fn the_arrow_points_up_where_values_grow_down_the_table() {
    let rises = |key: Key, reversed: bool, rows: &[RunRow]| Order { key, reversed }.rises(rows.iter());
    let column = |column| Key::Column(column);
    assert!(!rises(column(Column::Started), false, &rows()), "newest first");
    assert!(rises(column(Column::Started), true, &rows()));
    assert!(rises(Key::Name, false, &rows()) && !rises(Key::Name, true, &rows()));
    assert!(rises(column(Column::Best), false, &rows()));
    assert!(!rises(column(Column::Score), false, &rows()[1..]), "the highest accuracy on top");
    assert!(rises(column(Column::Score), false, &rows()[..1]), "the lowest loss on top");
}

#[test]
fn of_runs_under_way_the_lowest_loss_is_the_best() {
    let mut runs = Runs::default();
    runs.kept.order = Order { key: Key::Column(Column::Score), reversed: false };
    let mut rows = vec![row("3", "a", State::Running), row("2", "b", State::Running), row("1", "c", State::Finished)];
    for (row, loss) in rows.iter_mut().zip([0.5, 0.25]) {
        row.best = Some((1, loss));
    }
    rows[2].score = Some(("accuracy".into(), 0.5));
    runs.show(rows);
    assert_eq!(ids(&runs), ["1", "2", "3"]);
}

#[test]
fn the_keys_of_the_order_go_round() {
    let shown = [Column::State, Column::Score];
    let mut key = Key::Star;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(key.title());
        key = key.next(&shown);
    }
    assert_eq!(seen, ["star", "name", "state", "score", "started"]);
    assert_eq!(key, Key::Star);
    assert_eq!(Key::Column(Column::Note).next(&shown), Key::Star, "a column that is not shown any more");
}

#[test]
fn a_filter_finds_in_any_field_in_one_and_without_a_word() {
    let found = |filter: &str| {
        let mut runs = Runs { filter: LineInput::new(filter), ..Runs::default() };
        runs.show(rows());
        ids(&runs).join(" ")
    };
    assert_eq!(found(""), "25 24 23 22 21");
    assert_eq!(found("  DEMO  sst "), "25 24 23 22 21");
    assert_eq!(found("state:fin"), "24 22 21");
    assert_eq!(found("state:finished -tag:paper"), "24 21");
    assert_eq!(found("tag:paper"), "22");
    assert_eq!(found("paper"), "22");
    assert_eq!(found("is:starred"), "23");
    assert_eq!(found("name:a -id:22"), "24");
    assert_eq!(found("builtin:demo id:2"), "25 24 23 22 21", "a colon that names no field");
    assert_eq!(found("nothing"), "");
    assert_eq!(found("-"), "", "a dash alone is a word");
}

#[test]
fn the_cursor_comes_back_to_its_run_after_a_filter() {
    let mut runs = Runs::default();
    runs.show(rows());
    runs.point_to("21");
    runs.filter = LineInput::new("state:running");
    runs.arrange();
    assert_eq!(runs.selected().map(|row| row.id.as_str()), Some("25"));
    runs.clear();
    assert_eq!(runs.selected().map(|row| row.id.as_str()), Some("21"));
}

#[test]
fn marks_go_with_their_runs() {
    let mut runs = Runs::default();
    runs.show(rows());
    for _ in 0..3 {
        runs.mark();
    }
    assert_eq!(runs.marked, ["25", "24", "23"]);
    assert!(runs.can_compare());
    runs.point_to("24");
    runs.mark();
    assert_eq!(runs.marked, ["25", "23"]);
    let mut fewer = rows();
    fewer.remove(2);
    runs.show(fewer);
    assert_eq!(runs.marked, ["25"]);
    runs.mark_all();
    assert_eq!(runs.marked, ["25", "24", "22", "21"]);
    runs.mark_all();
    assert!(runs.marked.is_empty());
}

proptest! {
    #[test]
    fn any_order_and_filter_show_each_run_at_most_once(
        key in 0usize..14, reversed: bool, filter in ".{0,12}", cursor in 0usize..9,
    ) {
        let keys: Vec<Key> =
            [Key::Star, Key::Name].into_iter().chain(Column::ALL.map(Key::Column)).collect();
        let mut runs = Runs { filter: LineInput::new(&filter), ..Runs::default() };
        runs.kept.order = Order { key: keys[key], reversed };
        runs.show(rows());
        runs.select(cursor);
        let mut seen = ids(&runs);
        prop_assert!(seen.len() <= 5);
        prop_assert_eq!(runs.selected().is_some(), !seen.is_empty());
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), runs.shown().len());
    }
}
