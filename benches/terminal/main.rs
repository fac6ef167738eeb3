//! The budgets of the terminal, measured on the real binary in a terminal of its own: first frame, keys, idle time,
//! bytes, memory, on runs of 50,000 steps with 10,000 snapshots of 24 modules, and of 2,000 snapshots of 224.
//!
//! `cargo bench --bench terminal -- [--json] [--quick] [--program PATH] [--against "PROGRAM ARGUMENTS"]`
//!
//! The curves of a run are all figures that a step has, in both phases: losses, learning rates, tokens, norms.
//! `--against` measures another program that draws all the time, e.g. `btm`, in the same way.

mod measure;
mod report;
#[path = "../../tests/terminal/support.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod support;
#[path = "../../tests/terminal/synthetic.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod synthetic;

use measure::{Keys, Live, Opened, Place};
use report::{Figure, Report};
use std::time::Duration;
use synthetic::{Run, Shape};

/// One run of the benchmark.
struct Case {
    name: &'static str,
    shape: Shape,
}

const CASES: [Case; 2] = [
    Case { name: "24x10000", shape: Shape { layers: 12, kinds: 2, steps: 50_000, snapshots: 10_000, rank: 8 } },
    Case { name: "224x2000", shape: Shape { layers: 32, kinds: 7, steps: 10_000, snapshots: 2_000, rank: 8 } },
];

/// What was asked for.
struct Asked {
    json: bool,
    /// Seconds that idle and live times are watched.
    watch: Duration,
    program: String,
    against: Option<String>,
}

fn asked() -> Asked {
    let mut asked = Asked {
        json: false,
        watch: Duration::from_secs(20),
        program: env!("CARGO_BIN_EXE_autolora").into(),
        against: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => asked.json = true,
            "--quick" => asked.watch = Duration::from_secs(4),
            "--program" => asked.program = arguments.next().expect("--program PATH"),
            "--against" => asked.against = Some(arguments.next().expect("--against \"PROGRAM ARGUMENTS\"")),
            // Cargo says so itself.
            "--bench" => {}
            other => panic!("{other}: use --json, --quick, --program PATH, --against \"PROGRAM ARGUMENTS\""),
        }
    }
    asked
}

fn main() {
    let asked = asked();
    let mut report = Report::default();
    for case in CASES {
        measure_case(&case, &asked, &mut report);
    }
    if let Some(against) = &asked.against {
        measure_other(against, &asked, &mut report);
    }
    if asked.json { report.print_json() } else { report.print_table() }
}

fn measure_case(case: &Case, asked: &Asked, report: &mut Report) {
    let home = tempfile::tempdir().expect("a folder for the runs");
    eprintln!("{}: writing a run", case.name);
    let mut run = Run::begin(home.path(), case.name, case.shape);
    // In the middle of the search, where a step brings selection values too.
    for _ in 0..case.shape.steps / 2 - 1500 {
        run.step();
    }
    let place = Place { program: &asked.program, home: home.path(), arguments: &["watch", "last"] };
    let mut add = |what: &str, figure: Figure| report.add(case.name, what, figure);

    // Live first, while it grows.
    eprintln!("{}: live", case.name);
    let session = Opened::of(&place, case.name).session;
    measure::settle(&session);
    let idle = measure::idle(&session, asked.watch);
    add("idle CPU, run at work", Figure::percent(idle.cpu).at_most(0.5));
    add("idle bytes, run at work", Figure::bytes(idle.bytes as f64).at_most(0.0));
    let Live { mean, most, cpu } = measure::live(&session, &mut run, asked.watch);
    add("live bytes/s, mean", Figure::bytes(mean));
    add("live bytes/s, most in 2 s", Figure::bytes(most).at_most(8192.0));
    add("live CPU", Figure::percent(cpu));
    drop(session);

    while !run.is_done() {
        run.step();
    }
    run.finish();
    eprintln!("{}: finished", case.name);
    let opened: Vec<Opened> = (0..7).map(|_| Opened::of(&place, case.name)).collect();
    let mut first: Vec<f64> = opened.iter().map(|opened| opened.first.as_secs_f64() * 1e3).collect();
    first.sort_by(f64::total_cmp);
    add("first frame, median of 7", Figure::ms(first[3]).at_most(30.0));
    add("first frame, slowest of 7", Figure::ms(first[6]));
    drop(opened);

    let mut session = Opened::of(&place, case.name).session;
    let filled = measure::settle(&session);
    add("history filled in", Figure::ms(filled.as_secs_f64() * 1e3));
    // Drawn: the curve of one phase, and the selection values of the module with the cursor.
    let drawn = case.shape.steps / 2 + case.shape.snapshots * case.shape.rank;
    let most_memory = 25.0 * 1024.0 * 1024.0 + 16.0 * drawn as f64;
    add("memory, monitor", Figure::bytes(measure::rss(&session)).at_most(most_memory));
    let idle = measure::idle(&session, asked.watch);
    add("idle CPU, finished run", Figure::percent(idle.cpu).at_most(0.5));
    add("idle bytes, finished run", Figure::bytes(idle.bytes as f64).at_most(0.0));

    let Keys { half, p99, most, silent } = measure::keys(&mut session, 210);
    add("key to bytes, median", Figure::ms(half));
    add("key to bytes, p99", Figure::ms(p99).at_most(5.0));
    add("key to bytes, slowest", Figure::ms(most));
    add("keys without an answer", Figure::count(silent as f64).at_most(0.0));
    add("memory, after the keys", Figure::bytes(measure::rss(&session)).at_most(most_memory));
    session.send("\x1b");
    session.sees("new run");
    measure::settle(&session);
    add("memory, runs", Figure::bytes(measure::rss(&session)).at_most(25.0 * 1024.0 * 1024.0));
    session.send("?");
    session.sees("─ Help");
    add("memory, help", Figure::bytes(measure::rss(&session)).at_most(25.0 * 1024.0 * 1024.0));
}

fn measure_other(command: &str, asked: &Asked, report: &mut Report) {
    let mut words = command.split_whitespace();
    let program = words.next().expect("a program to compare with");
    let arguments: Vec<&str> = words.collect();
    let home = tempfile::tempdir().expect("a folder for it");
    let place = Place { program, home: home.path(), arguments: &arguments };
    eprintln!("{command}");
    let first = measure::first_text(&place);
    let mut add = |what: &str, figure: Figure| report.add(command, what, figure);
    add("first frame", Figure::ms(first.first.as_secs_f64() * 1e3));
    std::thread::sleep(Duration::from_secs(3));
    let idle = measure::idle(&first.session, asked.watch);
    add("CPU", Figure::percent(idle.cpu));
    add("bytes/s, mean", Figure::bytes(idle.bytes as f64 / asked.watch.as_secs_f64()));
    add("bytes/s, most in 2 s", Figure::bytes(idle.most));
    add("memory", Figure::bytes(measure::rss(&first.session)));
}
