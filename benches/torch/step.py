"""The rival of `autolora bench`: the same training step in PyTorch, by transformers' own models (eager attention).

    python benches/torch/step.py --batch 16 --seq 64 --mode search

Options and the last line are those of `autolora bench --json`: median_s, min_s, max_s, tokens_per_s, peak_bytes. It needs
torch and transformers. Gradients are asked for by `torch.autograd.grad`, of what a pass is about and nothing else; frozen
parameters need none.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, RobertaConfig, RobertaForSequenceClassification

SCALE = 2.0  # lora_alpha / k
WARMUP = 2
LR, SELECTION_LR, EPSILON = 1e-4, 1e-3, 0.01


class Lora(nn.Module):
    """y = x W0^T + b + s ((x A^T) * alpha) B^T; `parts` of the outputs carry an update each (GPT-2's query and value)."""

    def __init__(self, base, inputs, parts, rank, search, first):
        super().__init__()
        self.base, self.parts, self.first = base, parts, first
        bound = inputs**-0.5
        self.a = nn.ParameterList(torch.empty(rank, inputs).uniform_(-bound, bound) for _ in parts)
        self.b = nn.ParameterList(torch.empty(end - start, rank).uniform_(-0.02, 0.02) for start, end in parts)
        self.alpha = None
        self.search = search

    def forward(self, x):
        y = self.base(x)
        for n, (start, end) in enumerate(self.parts):
            inner = nn.functional.linear(x, self.a[n].to(x.dtype))
            if self.search:
                inner = inner * self.alpha[self.first + n].to(x.dtype)
            change = nn.functional.linear(inner, self.b[n].to(x.dtype)) * SCALE
            if (start, end) == (0, y.shape[-1]):
                y = y + change
            else:
                y = y + nn.functional.pad(change, (start, y.shape[-1] - end))
        return y


def build(args):
    if args.family == "roberta":
        config = RobertaConfig(
            vocab_size=50265, hidden_size=args.hidden, num_hidden_layers=args.layers, num_attention_heads=args.heads,
            intermediate_size=4 * args.hidden, max_position_embeddings=max(args.seq, 512) + 2, type_vocab_size=1,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_labels=2,
        )
        config._attn_implementation = "eager"
        model = RobertaForSequenceClassification(config)
    else:
        config = GPT2Config(
            vocab_size=50257, n_embd=args.hidden, n_layer=args.layers, n_head=args.heads,
            n_positions=max(args.seq, 1024), resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        )
        config._attn_implementation = "eager"
        model = GPT2LMHeadModel(config)
        model.config.use_cache = False
    model.requires_grad_(False)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[args.precision]
    model.to(dtype)
    loras, h = [], args.hidden
    search = args.mode == "search"
    if args.family == "roberta":
        for layer in model.roberta.encoder.layer:
            for name in ("query", "value"):
                attention = layer.attention.self
                lora = Lora(getattr(attention, name), h, [(0, h)], args.rank, search, len(loras))
                setattr(attention, name, lora)
                loras.append(lora)
        head = list(model.classifier.parameters())
        model.classifier.requires_grad_(True)
    else:
        for layer in model.transformer.h:
            parts = [(0, h), (2 * h, 3 * h)]
            layer.attn.c_attn = Lora(layer.attn.c_attn, h, parts, args.rank, search, 2 * len(loras))
            loras.append(layer.attn.c_attn)
        head = []
    model.to(args.device)
    model.train()
    weights = [p for lora in loras for p in (*lora.a, *lora.b)] + head
    count = sum(len(lora.parts) for lora in loras)
    return model, loras, weights, count


class Step:
    def __init__(self, args):
        self.args = args
        self.model, self.loras, self.weights, count = build(args)
        self.optimizer = torch.optim.AdamW(self.weights, lr=LR, weight_decay=0.01)
        self.beta = torch.zeros(count, args.rank, device=args.device, requires_grad=True)
        self.selection = torch.optim.AdamW([self.beta], lr=SELECTION_LR, weight_decay=0.0)
        self.modules = count
        low = 2 if args.family == "roberta" else 0
        self.ids = torch.randint(low, 50257, (2, args.batch, args.seq), device=args.device)
        self.mask = torch.ones(args.batch, args.seq, dtype=torch.long, device=args.device)
        self.labels = torch.arange(args.batch, device=args.device) % 2

    def loss(self, which):
        if self.args.mode == "search":
            alpha = torch.softmax(self.beta, dim=-1)
            for lora in self.loras:
                lora.alpha = alpha
        ids = self.ids[which]
        labels = self.labels if self.args.family == "roberta" else ids
        kwargs = {} if self.args.family == "roberta" else {"use_cache": False}
        return self.model(input_ids=ids, attention_mask=self.mask, labels=labels, **kwargs).loss

    def set(self, values):
        with torch.no_grad():
            for weight, value in zip(self.weights, values):
                weight.copy_(value)

    def of_weights(self):
        loss = self.loss(0)
        self.optimizer.zero_grad(set_to_none=True)
        for weight, gradient in zip(self.weights, torch.autograd.grad(loss, self.weights)):
            weight.grad = gradient
        self.optimizer.step()
        return loss.item()

    def lora(self):
        return self.of_weights()

    def search(self):
        before = [weight.detach().clone() for weight in self.weights]
        rule = self.args.hypergradient
        if rule == "unrolled":
            gradient = torch.autograd.grad(self.loss(0), self.weights)
            self.set([w - LR * g for w, g in zip(before, gradient)])
        *v, direct = torch.autograd.grad(self.loss(1), [*self.weights, self.beta])
        h = direct
        if rule == "unrolled":
            norm = torch.sqrt(sum((g.float() ** 2).sum() for g in v))
            epsilon = EPSILON / (norm.item() + 1e-15)
            self.set([w + epsilon * g for w, g in zip(before, v)])
            (up,) = torch.autograd.grad(self.loss(0), [self.beta])
            self.set([w - epsilon * g for w, g in zip(before, v)])
            (down,) = torch.autograd.grad(self.loss(0), [self.beta])
            h = direct - LR * (up - down) / (2 * epsilon)
            self.set(before)
        self.beta.grad = h
        self.selection.step()
        return self.of_weights()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--family", choices=["roberta", "gpt2"], default="roberta")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=768)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seq", type=int, default=128)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--mode", choices=["search", "lora"], default="search")
    parser.add_argument("--hypergradient", choices=["unrolled", "first-order"], default="unrolled")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", action="store_true", help="as `autolora bench` has it; the lines are JSON without it too")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(42)
    step = Step(args)
    cuda = args.device.startswith("cuda")
    seconds, loss = [], float("nan")
    for n in range(WARMUP + args.steps):
        began = time.perf_counter()
        loss = step.search() if args.mode == "search" else step.lora()
        if cuda:
            torch.cuda.synchronize()
        if n >= WARMUP:
            seconds.append(time.perf_counter() - began)
            print(json.dumps({"type": "step", "step": n - WARMUP + 1, "seconds": seconds[-1]}), flush=True)
    peak = torch.cuda.max_memory_reserved() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    median = statistics.median(seconds)
    print(json.dumps({
        "type": "finished", "mode": args.mode, "batch": args.batch, "seq": args.seq, "rank": args.rank,
        "precision": args.precision, "device": args.device, "threads": torch.get_num_threads(), "modules": step.modules,
        "steps": len(seconds), "median_s": median, "min_s": min(seconds), "max_s": max(seconds),
        "tokens_per_s": args.batch * args.seq / median, "peak_bytes": peak, "train_loss": loss,
        "torch": torch.__version__,
    }))


if __name__ == "__main__":
    main()
