"""Runs that learn to write, exported and loaded with PEFT and transformers: logits and greedy texts against `autolora predict`.

    cargo build --release
    python tests/python/decoder_parity.py [--binary autolora]

Needs torch, transformers, peft. A short run of each tiny random decoder of tests/fixtures/decoders, GPT-2 with LoRA on parts of `c_attn`
and on the whole. Exits with 1 where logits differ by more than 1e-5 of the largest, or a text differs.
"""
import argparse, json, os, shutil, subprocess, sys, tempfile, warnings

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
warnings.filterwarnings("ignore")
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
LIMIT, NEW = 1e-5, 12
SIGNS = [chr(c) for c in range(97, 123)] + list(" [],.ABCDEFGHIJ0123456789")[:24]


def tokenizer(folder):
    special = lambda i, s: dict(id=i, content=s, special=True, single_word=False, lstrip=False, rstrip=False, normalized=False)
    tokens = ["<pad>", "<s>", "</s>"] + SIGNS
    json.dump(dict(
        version="1.0", truncation=None, padding=None, normalizer=None, post_processor=None, decoder=dict(type="Fuse"),
        added_tokens=[special(i, t) for i, t in enumerate(tokens[:3])],
        pre_tokenizer=dict(type="Split", pattern=dict(String=""), behavior="Isolated", invert=False),
        model=dict(type="BPE", vocab={t: i for i, t in enumerate(tokens)}, merges=[], unk_token=None),
    ), open(f"{folder}/tokenizer.json", "w"))


def rows(count):
    names, foods = ["Ace", "Bee", "Cid", "Dab"], ["tea", "fig"]
    for n in range(count):
        name, food = names[n % 4], foods[n // 4 % 2]
        yield f"name[{name}], food[{food}]", f"{name} has {food}."


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=f"{ROOT}/target/release/autolora")
    args = parser.parse_args()
    home = tempfile.mkdtemp()
    env = os.environ | {"AUTOLORA_HOME": f"{home}/home", "HF_HUB_OFFLINE": "1"}

    def autolora(*words):
        done = subprocess.run([os.path.abspath(args.binary), *words], capture_output=True, text=True, env=env, cwd=home)
        if done.returncode:
            sys.exit(f"autolora {' '.join(words)} ended with {done.returncode}:\n{done.stdout[-600:]}{done.stderr[-600:]}")
        return done.stdout

    with open(f"{home}/train.csv", "w") as file:
        file.write("mr,ref\n" + "".join(f'"{mr}",{ref}\n' for mr, ref in rows(64)))
    prompts = [mr for mr, _ in rows(8)] + ["A", "name"]
    with open(f"{home}/in.jsonl", "w") as file:
        file.writelines(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts)
    bad = 0
    print(f"{'model':14} {'LoRA on':22} {'export':8} {'logits off':>11} {'of base':>9}  texts")
    cases = [(name, None) for name in sorted(os.listdir(f"{ROOT}/tests/fixtures/decoders")) if not name.endswith(".json")]
    for name, targets in cases + [("gpt2", "c_attn"), ("gpt2", "all-linear"), ("llama", "all-linear"), ("phi3", "all-linear")]:
        folder = f"{home}/{name}"
        if not os.path.isdir(folder):
            os.mkdir(folder)
            for file in ("config.json", "model.safetensors"):
                shutil.copy(f"{ROOT}/tests/fixtures/decoders/{name}/{file}", folder)
            tokenizer(folder)
        sets = [
            f"model.id={folder}", "data.task=generation", "data.train=train.csv", "data.max_length=60", "search.steps=6",
            "search.warmup_steps=2", "retrain.epochs=2", "retrain.lr=0.02", "baseline.head_only=false", "lora.dropout=0",
            f"lora.targets={targets or ''}",
        ]
        run = json.loads(autolora("run", "demo", "--json", *[w for s in sets for w in ("--set", s)]).splitlines()[-1])["run"]
        answers = [json.loads(l) for l in autolora(
            "predict", "--run", run, "--input", "in.jsonl", "--logits", "--max-new-tokens", str(NEW)).splitlines()]
        letters = PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json")
        plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        for form in (["--format", "peft"], ["--format", "peft", "--scale", "folded"], ["--format", "merged"]):
            out = f"{home}/out"
            shutil.rmtree(out, ignore_errors=True)
            autolora("export", run, *form, "--out", out)
            if form[-1] == "merged":
                model = AutoModelForCausalLM.from_pretrained(out, attn_implementation="eager").eval()
            else:
                base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
                model = PeftModel.from_pretrained(base, out).eval()
            off, moved, same = 0.0, 0.0, 0
            for prompt, answer in zip(prompts, answers):
                ids = torch.tensor([letters(prompt)["input_ids"]])
                with torch.no_grad():
                    logits, before = model(input_ids=ids).logits[0, -1], plain(input_ids=ids).logits[0, -1]
                    new = model.generate(input_ids=ids, max_new_tokens=NEW, do_sample=False, pad_token_id=0)[0, ids.shape[1]:]
                ours = torch.tensor(answer["logits"])
                off = max(off, float((logits - ours).abs().max() / logits.abs().max()))
                moved = max(moved, float((logits - before).abs().max() / logits.abs().max()))
                same += letters.decode(new, skip_special_tokens=True) == answer["text"]
            wrong = off > LIMIT or same != len(prompts) or moved < 1e-3
            bad += wrong
            label = {"peft": "native", "folded": "folded", "merged": "merged"}[form[-1]]
            print(f"{name:14} {targets or 'default':22} {label:8} {off:11.1e} {moved:9.1e}  {same}/{len(prompts)}{'  WRONG' if wrong else ''}", flush=True)
    shutil.rmtree(home)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
