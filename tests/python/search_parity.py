"""A search of autolora against the same search in PyTorch, on a real encoder: the judge of the whole path from text to selection values.

    cargo build --release
    python tests/python/search_parity.py --model DIR [--hypergradient unrolled|implicit|first-order] [--steps 6]

Needs torch, transformers, safetensors and a BERT model directory. Writes a dataset and an adapter to start from into a temporary
folder, runs `autolora run` with data.shuffle = false and no dropout, computes the same steps in float32 and float64 with PyTorch
(method.md's equations over `BertForSequenceClassification`), and prints the largest differences of the selection values, then the
logits of the exported adapter as PEFT loads it.
"""
import argparse, json, math, os, subprocess, sys, tempfile
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, BertForSequenceClassification

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
K, ALPHA, BATCH, LR_W, LR_B = 4, 8.0, 4, 1e-2, 2e-2


def rows():
    subjects, verdicts = ["the film", "this plot", "her voice", "the score"], ["is a quiet joy", "is dull", "moved me", "falls flat"]
    return [(f"{s} {v} {'and I would see it again ' * (i % 3)}.", int(j in (0, 2))) for i, s in enumerate(subjects) for j, v in enumerate(verdicts)]


class Lora(torch.nn.Module):
    def __init__(self, base, path, bank):
        super().__init__()
        self.base, self.path, self.bank = base, path, bank

    def forward(self, x):
        b = self.bank
        alpha = torch.softmax(b["beta"][self.path], 0)
        return self.base(x) + ALPHA / K * ((x @ b["W"][self.path + ".lora_A.weight"].T) * alpha) @ b["W"][self.path + ".lora_B.weight"].T


class Adam:
    def __init__(self, lr, decay=0.0):
        self.lr, self.t, self.m, self.v = lr, 0, {}, {}

    def clone(self):
        n = Adam(self.lr)
        n.t, n.m, n.v = self.t, dict(self.m), dict(self.v)
        return n

    def step(self, p, g):
        self.t, out = self.t + 1, {}
        for k in p:
            self.m[k] = self.m.get(k, torch.zeros_like(g[k])) * 0.9 + 0.1 * g[k]
            self.v[k] = self.v.get(k, torch.zeros_like(g[k])) * 0.999 + 0.001 * g[k] ** 2
            out[k] = p[k] - self.lr / (1 - 0.9**self.t) * self.m[k] / (self.v[k].sqrt() / math.sqrt(1 - 0.999**self.t) + 1e-8)
        return out


def reference(args, data, start, steps, dtype):
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = BertForSequenceClassification.from_pretrained(args.model, num_labels=2).to(dtype).eval()
    for p in model.parameters():
        p.requires_grad_(False)
    bank = {"W": {k: v.to(dtype) for k, v in start.items()}, "beta": {}}
    paths = sorted({k.rsplit(".lora_", 1)[0] for k in start if ".lora_" in k})
    for path in paths:
        parent = model.get_submodule(path.rsplit(".", 1)[0])
        setattr(parent, path.rsplit(".", 1)[1], Lora(model.get_submodule(path), path, bank))
    half = len(data) // 2
    split = {"tr": data[:half], "val": data[half:]}

    def loss(W, beta, part, step):
        bank["W"], bank["beta"] = W, beta
        batch = [split[part][(step * BATCH + i) % len(split[part])] for i in range(BATCH)]
        enc = tokenizer([t for t, _ in batch], padding=True, return_tensors="pt")
        pooled = model.bert(**enc)[1]
        logits = pooled @ W["classifier.weight"].T + W["classifier.bias"]
        return torch.nn.functional.cross_entropy(logits, torch.tensor([y for _, y in batch]))

    def grads(W, beta, part, step, by):
        W = {k: v.detach().requires_grad_(by != "beta") for k, v in W.items()}
        beta = {k: v.detach().requires_grad_(by != "W") for k, v in beta.items()}
        value = loss(W, beta, part, step)
        of = (list(W.values()) if by != "beta" else []) + (list(beta.values()) if by != "W" else [])
        g = torch.autograd.grad(value, of)
        n = len(W) if by != "beta" else 0
        return dict(zip(W, g[:n])), dict(zip(beta, g[n:]))

    W, beta, out = bank["W"], {p: torch.zeros(K, dtype=dtype) for p in paths}, []
    opt_w, opt_b = Adam(LR_W), Adam(LR_B)
    for it in range(steps):
        rule = args.hypergradient
        gw = grads(W, beta, "tr", it, "W")[0]
        ahead = {"unrolled": lambda: {k: W[k] - LR_W * gw[k] for k in W}, "implicit": lambda: opt_w.clone().step(W, gw), "first-order": lambda: W}[rule]()
        v, h = grads(ahead, beta, "val", it, "both")
        if rule != "first-order":
            eps = 0.01 / (torch.cat([x.reshape(-1) for x in v.values()]).double().norm().item() + 1e-15)
            center, c = (W, LR_W) if rule == "unrolled" else (ahead, 1.0)
            up = grads({k: center[k] + eps * v[k] for k in W}, beta, "tr", it, "beta")[1]
            down = grads({k: center[k] - eps * v[k] for k in W}, beta, "tr", it, "beta")[1]
            h = {p: h[p] - c * (up[p] - down[p]) / (2 * eps) for p in paths}
        beta = opt_b.step(beta, h)
        W = opt_w.step(W, grads(W, beta, "tr", it, "W")[0])
        out.append({p: torch.softmax(beta[p], 0).double() for p in paths})
    return out


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--model", required=True)
    args.add_argument("--hypergradient", default="unrolled")
    args.add_argument("--steps", type=int, default=6)
    args.add_argument("--binary", default=os.path.join(ROOT, "target/release/autolora"))
    args = args.parse_args()
    data = rows()
    config = json.load(open(os.path.join(args.model, "config.json")))
    h = config["hidden_size"]
    torch.manual_seed(0)
    start = {}
    for layer in range(config["num_hidden_layers"]):
        for name in ("query", "value"):
            path = f"bert.encoder.layer.{layer}.attention.self.{name}"
            start[path + ".lora_A.weight"] = (torch.rand(K, h) * 2 - 1) / math.sqrt(h)
            start[path + ".lora_B.weight"] = torch.randn(h, K) * 0.05
    start["classifier.weight"], start["classifier.bias"] = torch.randn(2, h) * 0.02, torch.zeros(2)
    with tempfile.TemporaryDirectory() as tmp:
        os.makedirs(f"{tmp}/adapter")
        save_file({f"base_model.model.{k}": v for k, v in start.items()}, f"{tmp}/adapter/adapter_model.safetensors")
        modules = sorted({k.rsplit(".lora_", 1)[0] for k in start if ".lora_" in k})
        json.dump({"peft_type": "LORA", "task_type": "SEQ_CLS", "r": K, "lora_alpha": ALPHA, "target_modules": modules, "modules_to_save": ["classifier"]}, open(f"{tmp}/adapter/adapter_config.json", "w"))
        with open(f"{tmp}/train.tsv", "w") as f:
            f.write("sentence\tlabel\n" + "".join(f"{t}\t{y}\n" for t, y in data))
        with open(f"{tmp}/preset.toml", "w") as f:
            f.write(f"""
[model]
id = "{os.path.abspath(args.model)}"
[data]
train = "{tmp}/train.tsv"
test = "{tmp}/train.tsv"
text = "sentence"
shuffle = false
[lora]
rank = {K}
alpha = {ALPHA}
init_from = "{tmp}/adapter"
[search]
hypergradient = "{args.hypergradient}"
steps = {args.steps}
warmup_steps = 0
batch_size = {BATCH}
weights = {{ optimizer = "adam", lr = {LR_W} }}
selection_optimizer = {{ optimizer = "adam", lr = {LR_B} }}
[retrain]
epochs = 1.0
batch_size = 4
[runtime]
device = "cpu"
""")
        env = dict(os.environ, AUTOLORA_HOME=f"{tmp}/home")
        done = subprocess.run([args.binary, "run", f"{tmp}/preset.toml", "--json"], env=env, capture_output=True, text=True)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        if not events or events[-1]["type"] != "finished":
            sys.exit(f"autolora failed: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        ours = [e["modules"] for e in events if e["type"] == "selection"]
        assert len(ours) == args.steps, (len(ours), args.steps)
        single, double = reference(args, data, start, args.steps, torch.float32), reference(args, data, start, args.steps, torch.float64)
        print(f"{args.hypergradient}: largest difference of a selection value, {len(modules)} modules x {K}")
        print("step  ours-f64   torch f32-f64   moved from 1/k")
        worst = 0.0
        for step, (mine, one, two) in enumerate(zip(ours, single, double), 1):
            off = max((torch.tensor(mine[p], dtype=torch.float64) - two[p]).abs().max().item() for p in modules)
            theirs = max((one[p] - two[p]).abs().max().item() for p in modules)
            moved = max((two[p] - 1 / K).abs().max().item() for p in modules)
            worst = max(worst, off)
            print(f"{step:4}  {off:.2e}   {theirs:.2e}        {moved:.3f}")
        from peft import PeftModel
        base = BertForSequenceClassification.from_pretrained(args.model, num_labels=2)
        model = PeftModel.from_pretrained(base, events[-1]["dir"] + "/adapter").eval()
        tokenizer = AutoTokenizer.from_pretrained(args.model)
        with torch.no_grad():
            enc = tokenizer([t for t, _ in data], padding=True, return_tensors="pt")
            logits = model(**enc).logits
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor([y for _, y in data])).item()
        print(f"adapter in PEFT: loss {loss:.6f}, autolora's test_loss {events[-1]['metrics']['test_loss']:.6f}")
        assert abs(loss - events[-1]["metrics"]["test_loss"]) < 1e-4, "the exported adapter computes something else in PEFT"
        assert worst < 1e-3, "selection values differ"


main()
