//! Captures every screen of the real program, on 80 x 24 and on 160 x 45, as SVG and as text:
//! `cargo build --release && cargo run --release --example captures -- OUTDIR [PROGRAM]`
//!
//! The runs are real ones of the embedded demo, in a home of their own; they need no network and a few minutes.

mod scenes;
#[path = "../../../tests/terminal/support.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod support;
mod svg;

use scenes::{Moment, SCENES, Scene};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};
use support::{PATIENCE, Session, size};

const SIZES: [(u16, u16); 2] = [(80, 24), (160, 45)];
/// A screen that sends nothing for so long shows all that it has.
const QUIET: Duration = Duration::from_millis(700);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let out = arguments.next().ok_or("say where: captures OUTDIR [PROGRAM]")?;
    let program = arguments.next().map_or_else(beside, Ok)?;
    if !program.is_file() {
        return Err(format!("{} is not there: build it first, or name it", program.display()).into());
    }
    // It is started in other folders.
    let program = program.canonicalize()?;
    fs::create_dir_all(&out)?;
    let home = tempfile::Builder::new().prefix("autolora-").tempdir()?;
    let stage = Stage { program: &program, home: home.path(), out: &out };

    stage.run(&["run", "demo", "--detach"])?;
    // Until something has emerged.
    stage.wait_for("demo", |shown| is_searching(shown, 120))?;
    stage.capture(Moment::Search)?;
    stage.run(&["run", "demo", "--name", "lower-threshold", "--set", "allocation.threshold=0.1"])?;
    stage.run(&["run", "demo", "--name", "again", "--detach"])?;
    stage.wait_for("again", |shown| is_searching(shown, 20))?;
    stage.run(&["stop", "again"])?;
    stage.wait_for("demo", |shown| shown["state"] == "finished")?;
    stage.capture(Moment::Finished)?;
    let short = ["--set", "search.epochs=1", "--set", "retrain.epochs=2"];
    stage.run(&[&["run", "demo-generation", "--name", "texts"][..], &short].concat())?;
    stage.capture(Moment::Texts)
}

/// Whether a run is at this step of its search, or further.
fn is_searching(shown: &serde_json::Value, step: u64) -> bool {
    match shown["phase"].as_str() {
        Some("prepare") | None => false,
        Some("search") => shown["step"].as_u64().is_some_and(|at| at >= step),
        Some(_) => true,
    }
}

/// The program that was built beside this example.
fn beside() -> Result<PathBuf, Box<dyn Error>> {
    let own = env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).ok_or("this example has no folder")?;
    Ok(folder.join("autolora"))
}

struct Stage<'a> {
    program: &'a Path,
    home: &'a Path,
    out: &'a Path,
}

impl Stage<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(arguments).env("AUTOLORA_HOME", self.home).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
        eprintln!("autolora {}", arguments.join(" "));
        let answer = self.command(arguments).output()?;
        if answer.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&answer.stderr).into_owned().into())
    }

    fn wait_for(&self, run: &str, is_there: impl Fn(&serde_json::Value) -> bool) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        loop {
            let shown = self.command(&["show", run, "--json"]).output()?;
            let shown: serde_json::Value = serde_json::from_slice(&shown.stdout)?;
            match shown["state"].as_str() {
                _ if is_there(&shown) => return Ok(()),
                Some("running" | "queued") if start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                other => return Err(format!("{run} is {other:?}").into()),
            }
        }
    }

    fn capture(&self, moment: Moment) -> Result<(), Box<dyn Error>> {
        for scene in SCENES.iter().filter(|scene| scene.moment == moment) {
            for (columns, rows) in SIZES {
                self.scene(scene, columns, rows)?;
            }
        }
        Ok(())
    }

    fn scene(&self, scene: &Scene, columns: u16, rows: u16) -> Result<(), Box<dyn Error>> {
        let program = self.program.to_string_lossy();
        let mut session = Session::of(&program, self.home, scene.arguments, size(columns, rows), &[]);
        for (text, keys) in scene.steps {
            session.sees(text);
            session.send(keys);
        }
        // What is read behind the first frame is there.
        session.misses("reading its history");
        let name = format!("{}-{columns}x{rows}", scene.name);
        if scene.moment != Moment::Search {
            while session.output().pieces.last().is_some_and(|(time, _)| time.elapsed() < QUIET) {
                std::thread::sleep(QUIET / 10);
            }
        }
        let output = session.output();
        let screen = output.screen.screen();
        let title = format!("autolora: {}", scene.name.replace('-', ", "));
        fs::write(self.out.join(format!("{name}.svg")), svg::of(screen, &title))?;
        let text: Vec<String> = screen.contents().lines().map(|line| line.trim_end().to_owned()).collect();
        fs::write(self.out.join(format!("{name}.txt")), text.join("\n") + "\n")?;
        eprintln!("{name}");
        Ok(())
    }
}
