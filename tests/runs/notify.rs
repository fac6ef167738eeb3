//! The command that tells how a run's worker ended, by the real binary.

use super::LONG;
use super::queue::SHORT;
use super::support::{Home, signal, wait};
use rustix::process::Signal;
use std::fs;

/// A line in `told` for every time that the command ran, and what it read in `read`.
const COMMAND: &str = "notify.command=echo \"$AUTOLORA_STATE $AUTOLORA_NAME $AUTOLORA_SCORE|$AUTOLORA_ERROR\" >> told; \
                       cat > read; echo heard";

fn told(home: &Home) -> Vec<String> {
    let text = fs::read_to_string(home.path("told")).unwrap_or_default();
    text.lines().map(String::from).collect()
}

fn companions() -> usize {
    let commands =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    commands.filter(|command| command.split(|b| *b == 0).any(|word| word == b"notifier")).count()
}

#[test]
fn the_command_runs_once_for_every_end_of_a_worker() {
    let home = Home::new();
    let sets: Vec<&str> = SHORT.iter().copied().chain([COMMAND]).collect();
    let run = home.detach_with(&sets);
    home.wait_for_state(&run, "finished");
    wait("the command", || !told(&home).is_empty());
    wait("the companion is gone", || companions() == 0);
    let score = home.show(&run)["metrics"]["score"].to_string();
    assert_eq!(told(&home), [format!("finished quick {score}|")]);
    let read: serde_json::Value = serde_json::from_str(&fs::read_to_string(home.path("read")).unwrap()).unwrap();
    assert_eq!(
        (&read["id"], &read["state"], &read["pid"]),
        (&run.as_str().into(), &"finished".into(), &serde_json::Value::Null)
    );
    assert_eq!(read["ranks"], home.show(&run)["ranks"]);
    let log = fs::read_to_string(home.run_dir(&run).join("worker.log")).unwrap();
    assert_eq!(log.matches("heard").count(), 1, "{log}");

    let steps = format!("search.steps={LONG}");
    let run = home.detach_with(&[&steps, COMMAND]);
    assert_eq!(home.autolora(&["pause", &run]).code, Some(0));
    wait("the pause", || told(&home).len() == 2);
    assert_eq!(home.autolora(&["resume", &run]).code, Some(0));
    signal(home.pid(&run), Signal::KILL);
    wait("the death", || told(&home).len() == 3);
    assert_eq!(home.autolora(&["stop", &run]).code, Some(0), "no worker is there, and nobody is told");

    wait("the companions are gone", || companions() == 0);
    assert_eq!(told(&home)[1], "paused quick |");
    assert!(told(&home)[2].starts_with("crashed quick |the worker died in "), "{:?}", told(&home));
    assert_eq!(told(&home).len(), 3);
}
