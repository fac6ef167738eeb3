"""`autolora bench` and the same step in PyTorch, run by turns: a line of a table for each case.

    python benches/torch/compare.py --binary target/release/autolora [--runs 3] [CASE...]

A case is family:layers:hidden:heads:batch:seq:precision:mode, e.g. roberta:12:768:12:16:64:f32:search. Time is the median
over the runs of the median step; the ratio is the median of the ratios of neighbouring runs; memory is the largest peak.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

CASES = ["roberta:12:768:12:16:64:f32:search", "roberta:12:768:12:16:64:f32:lora"]
NAMES = ["--family", "--layers", "--hidden", "--heads", "--batch", "--seq", "--precision", "--mode"]


def last_line(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default="target/release/autolora")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("cases", nargs="*", default=CASES)
    args = parser.parse_args()
    rival = [sys.executable, str(pathlib.Path(__file__).with_name("step.py"))]
    print("| case | ours, s | PyTorch, s | time ratio | ours, GB | PyTorch, GB | memory ratio |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    for case in args.cases:
        options = [word for pair in zip(NAMES, case.split(":")) for word in pair]
        options += ["--steps", str(args.steps), "--device", args.device, "--json"]
        ours, theirs = [], []
        for _ in range(args.runs):
            ours.append(last_line([args.binary, "bench", *options]))
            theirs.append(last_line([*rival, *options]))
        time = [statistics.median(line["median_s"] for line in lines) for lines in (ours, theirs)]
        ratio = statistics.median(a["median_s"] / b["median_s"] for a, b in zip(ours, theirs))
        peak = [max(line["peak_bytes"] for line in lines) for lines in (ours, theirs)]
        cells = [case, f"{time[0]:.3f}", f"{time[1]:.3f}", f"{ratio:.3f}"]
        cells += [f"{peak[0] / 1e9:.2f}", f"{peak[1] / 1e9:.2f}", f"{peak[0] / peak[1]:.3f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
