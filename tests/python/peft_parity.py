"""What `autolora export` writes, loaded with PEFT and transformers: their logits against those of `autolora predict`.

    cargo build --release
    python tests/python/peft_parity.py [--binary autolora] [--families] [--rows FILE.jsonl] [RUN ...]

Needs torch, transformers, peft. Without a RUN a short run of the demo is made in a home of its own; with --families also short
runs of the three tasks on every tiny random encoder of tests/fixtures/encoders, with LoRA on all linear layers. For every run it exports the
adapter (native and folded) and the merged model, answers the same rows with each in Python, and prints the largest difference of a
logit over the largest logit; then it runs the Python of every model card as it stands. Exits with 1 where a difference is above
1e-5, a tag or a label differs, or a card does not run.
"""
import argparse, json, os, random, re, shutil, subprocess, sys, tempfile, warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
warnings.filterwarnings("ignore")
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
LIMIT = 1e-5


def autolora(args, *words, env=None):
    done = subprocess.run([args.binary, *words], capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"autolora {' '.join(words)} ended with {done.returncode}:\n{done.stdout[-800:]}{done.stderr[-800:]}")
    return done.stdout


def demo_rows():
    lines = open(f"{ROOT}/assets/demo/test.tsv").read().splitlines()
    place = lines[0].split("\t").index("sentence")
    return [{"text": line.split("\t")[place]} for line in lines[1:61]]


WORDS = [f"w{n}" for n in range(40)]


def tiny_model(fixture, folder):
    """A fixture with a tokenizer of whole words, of which it has none."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    shutil.copytree(fixture, folder, ignore=shutil.ignore_patterns("expected*"))
    config = json.load(open(f"{folder}/config.json"))
    special = {config["pad_token_id"]: "[PAD]"}
    free = (n for n in range(config["vocab_size"]) if n not in special)
    for token in ("[UNK]", "[CLS]", "[SEP]"):
        special[next(free)] = token
    vocabulary = {token: place for place, token in special.items()} | {word: next(free) for word in WORDS}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(list(special.values()))
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends)
    tokenizer.save(f"{folder}/tokenizer.json")
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if config.get("type_vocab_size", 0) > 1 else ["input_ids", "attention_mask"]
    json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 32, "model_input_names": inputs, **names}, open(f"{folder}/tokenizer_config.json", "w"))


def tiny_rows(task, count=24):
    rng, rows = random.Random(7), []
    for n in range(count):
        words = rng.choices(WORDS, k=rng.randint(1, 30))
        if task == "tagging":
            rows.append({"words": words, "tags": [rng.choice(["O", "B-A", "I-A"]) for _ in words]})
        else:
            pair = " ".join(rng.choices(WORDS, k=rng.randint(1, 30)))
            rows.append({"text": " ".join(words), "text_pair": pair, "label": n / 8 if task == "regression" else "xyz"[n % 3]})
    return rows


def family_runs(args, tmp):
    """Runs of all tasks on all fixtures: (run, rows)."""
    for fixture in sorted(os.listdir(f"{ROOT}/tests/fixtures/encoders")):
        tiny_model(f"{ROOT}/tests/fixtures/encoders/{fixture}", f"{tmp}/{fixture}")
        for task in ("classification", "regression", "tagging"):
            rows, data = tiny_rows(task), f"{tmp}/{task}.jsonl"
            with open(data, "w") as f:
                f.writelines(json.dumps(row) + "\n" for row in rows)
            columns = 'text = "words"\nlabel = "tags"' if task == "tagging" else 'text = "text"\ntext_pair = "text_pair"\nlabel = "label"'
            with open(f"{tmp}/{fixture}-{task}.toml", "w") as f:
                f.write(f"""
[model]
id = "{tmp}/{fixture}"
[data]
train = "{data}"
test = "{data}"
task = "{task}"
max_length = 32
{columns}
[lora]
targets = "all-linear"
rank = 3
[search]
steps = 4
warmup_steps = 3
batch_size = 4
weights = {{ lr = 0.02 }}
[allocation]
rule = "energy"
threshold = 0.4
[retrain]
epochs = 2.0
batch_size = 4
lr = 0.02
[runtime]
device = "cpu"
""")
            last = json.loads(autolora(args, "run", f"{tmp}/{fixture}-{task}.toml", "--json").splitlines()[-1])
            yield last["run"], rows


def load(facts, folder, base):
    kind = AutoModelForTokenClassification if facts["task"] == "tagging" else AutoModelForSequenceClassification
    if facts["export"]["format"] == "merged":
        return kind.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    labels = {int(k): v for k, v in facts["id2label"].items()} or {0: "LABEL_0"}
    model = kind.from_pretrained(base, num_labels=facts["num_labels"], id2label=labels, label2id={v: k for k, v in labels.items()})
    return PeftModel.from_pretrained(model.float(), folder).eval(), AutoTokenizer.from_pretrained(base)


def answers(facts, model, tokenizer, rows, batch=16):
    """Logits of every row, or tags of every word."""
    limit, out = facts["max_length"], []
    for at in range(0, len(rows), batch):
        part = rows[at : at + batch]
        common = dict(truncation=True, max_length=limit, padding=True, return_tensors="pt")
        if facts["task"] == "tagging":
            enc = tokenizer([row["words"] for row in part], is_split_into_words=True, **common)
        elif any(row.get("text_pair") is not None for row in part):
            enc = tokenizer([row["text"] for row in part], [row["text_pair"] for row in part], **common)
        else:
            enc = tokenizer([row["text"] for row in part], **common)
        with torch.no_grad():
            logits = model(**{k: v for k, v in enc.items() if k != "offset_mapping"}).logits
        if facts["task"] != "tagging":
            out += logits.double().tolist()
            continue
        for i, row in enumerate(part):
            words, first = enc.word_ids(i), {}
            for place, word in enumerate(words):
                if word is not None:
                    first.setdefault(word, place)
            if len(first) < len(row["words"]):
                sys.exit(f"row {at + i} is cut in Python ({limit} tokens): give shorter rows")
            out.append([model.config.id2label[int(logits[i, first[w]].argmax())] for w in range(len(row["words"]))])
    return out


def compare(facts, ours, theirs):
    """(share of the largest logit, words that differ)"""
    if facts["task"] == "tagging":
        pairs = [(a, b) for mine, other in zip(ours, theirs) for a, b in zip(mine["tags"], other, strict=True)]
        return sum(a != b for a, b in pairs) / max(len(pairs), 1), f"{sum(a != b for a, b in pairs)} of {len(pairs)} tags"
    mine = torch.tensor([[a["score"]] if facts["task"] == "regression" else a["logits"] for a in ours], dtype=torch.float64)
    other = torch.tensor(theirs, dtype=torch.float64)
    off, most = (mine - other).abs().max().item(), other.abs().max().item()
    return off / most, f"{off:.1e} of {most:.3g}"


def card(folder):
    code = re.search(r"```python\n(.*?)```", open(f"{folder}/README.md").read(), re.S).group(1)
    scope, before = {}, os.getcwd()
    os.chdir(folder)
    try:
        exec(code, scope)
    finally:
        os.chdir(before)
    return scope["logits"]


def judge(args, run, rows, tmp, table):
    failed = False
    path = f"{tmp}/rows.jsonl"
    with open(path, "w") as f:
        f.writelines(json.dumps(row) + "\n" for row in rows)
    ours = [json.loads(line) for line in autolora(args, "predict", "--run", run, "--input", path, "--device", "cpu").splitlines()]
    assert len(ours) == len(rows)
    for what in ("native", "folded", "merged"):
        out = f"{tmp}/{run}-{what}"
        words = ["--format", "merged"] if what == "merged" else ["--format", "peft", "--scale", what]
        said = json.loads(autolora(args, "export", run, *words, "--out", out, "--json"))
        facts = json.load(open(f"{out}/autolora.json"))
        base = f"{out}/base" if os.path.isdir(f"{out}/base") else json.load(open(f"{out}/adapter_config.json"))["base_model_name_or_path"] if what != "merged" else None
        share, words = compare(facts, ours, answers(facts, *load(facts, out, base), rows))
        given = ["--model", out] if what == "merged" else ["--model", base, "--adapter", out]
        again = [json.loads(line) for line in autolora(args, "predict", *given, "--task", facts["task"], "--input", path).splitlines()]
        same = [a.get("label", a.get("tags")) for a in again] == [a.get("label", a.get("tags")) for a in ours]
        try:
            shape = tuple(card(out).shape)
        except Exception as error:
            shape, failed = f"FAILED: {error}", True
        ok = share <= (0 if facts["task"] == "tagging" else LIMIT) and same
        failed |= not ok
        table.append([facts["base_model"]["id"], facts["task"], what, str(len(rows)), f"{said['readback']['largest_difference']:.1e}", words, f"{share:.1e}", "same" if same else "OTHER", str(shape), "ok" if ok else "FAILED"])
    return failed


def main():
    args = argparse.ArgumentParser()
    args.add_argument("runs", nargs="*")
    args.add_argument("--rows")
    args.add_argument("--families", action="store_true")
    args.add_argument("--binary", default=f"{ROOT}/target/release/autolora")
    args = args.parse_args()
    table = [["model", "task", "export", "rows", "Delta W off", "logits off", "relative", "labels of predict --model", "card gives", ""]]
    failed = False
    with tempfile.TemporaryDirectory() as tmp:
        rows = [json.loads(line) for line in open(args.rows)] if args.rows else demo_rows()
        runs = [(run, rows) for run in args.runs]
        if not args.runs:
            os.environ["AUTOLORA_HOME"] = f"{tmp}/home"
            sets = ["search.epochs=0.3", "retrain.epochs=0.5", "baseline.head_only=false", "lora.targets=query,value,dense"]
            words = [word for item in sets for word in ("--set", item)]
            runs = [(json.loads(autolora(args, "run", "demo", *words, "--json").splitlines()[-1])["run"], rows)]
            if args.families:
                runs += family_runs(args, tmp)
        for run, rows in runs:
            failed |= judge(args, run, rows, tmp, table)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    sys.exit(int(failed))


main()
