#!/usr/bin/env python3
"""Losses of merged models on held-out text with their exact derivatives by the merge weights.

    ENVIRONMENT/bin/python bench/gradient_table.py RUN_FOLDER COUNT TABLE.csv --domains a,b,c [--tokens 8192]

RUN_FOLDER is a finished run of demix whose components are Llama models; ENVIRONMENT has torch and
transformers. One backward pass gives dL/dW, and <dL/dW, W_k - base> is the derivative by the weight
of component k. A row of TABLE per mixture: the merge weights, then for each domain the loss (nats
per token) and its derivatives. Mixtures are Dirichlet draws of strengths 7, 3 and 1. Read by
bench_gradients. Also prints the time of a forward and of a forward with backward.
"""
import argparse, csv, json, pathlib, time

import numpy, torch, transformers


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("run", type=pathlib.Path)
    arguments.add_argument("count", type=int)
    arguments.add_argument("table")
    arguments.add_argument("--domains", required=True)
    arguments.add_argument("--tokens", type=int, default=8192)
    arguments.add_argument("--threads", type=int, default=1)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    domains = options.domains.split(",")

    def load(folder):
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    model = load(options.run / "base")
    names = sorted(path.name for path in (options.run / "components").iterdir())
    base = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    updates = []
    for name in names:
        component = dict(load(options.run / "components" / name).named_parameters())
        updates.append({key: component[key].detach() - base[key] for key in base})
    text = {}
    for domain in domains:
        tokens = numpy.fromfile(options.run / "corpus" / domain / "held_out.tokens", dtype="<u2")
        header = len(tokens) * 2 - json_tokens(options.run / "corpus" / domain) * 2
        tokens = tokens[header // 2:][: options.tokens // 256 * 256].astype("int64")
        text[domain] = torch.from_numpy(tokens).reshape(-1, 256)

    rng = numpy.random.default_rng(1)
    seconds = {"forward": 0.0, "both": 0.0}
    with open(options.table, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([f"weight_{n}" for n in names]
                      + [f"{d}{s}" for d in domains for s in ["_loss"] + [f"_by_{n}" for n in names]])
        for i in range(options.count):
            weights = rng.dirichlet(numpy.full(len(names), [1, 3 / 7, 1 / 7][i % 3]))
            with torch.no_grad():
                for key, tensor in model.named_parameters():
                    tensor.copy_(base[key] + sum(float(w) * u[key] for w, u in zip(weights, updates)))
            row = list(weights)
            for domain in domains:
                start = time.process_time()
                with torch.no_grad():
                    model(text[domain], labels=text[domain])
                middle = time.process_time()
                model.zero_grad()
                loss = model(text[domain], labels=text[domain]).loss
                loss.backward()
                seconds["forward"] += middle - start
                seconds["both"] += time.process_time() - middle
                gradient = {key: tensor.grad for key, tensor in model.named_parameters()}
                row.append(float(loss))
                row += [float(sum((gradient[key] * update[key]).sum() for key in base)) for update in updates]
            rows.writerow([f"{value:.9g}" for value in row])
            file.flush()
    print({key: round(value / options.count, 3) for key, value in seconds.items()}, "seconds per mixture")


def json_tokens(folder):
    """Tokens of the held-out shard, from the journal's summary beside it."""
    import sqlite3
    journal = sqlite3.connect(f"file:{folder.parent.parent / 'journal.sqlite'}?mode=ro", uri=True)
    for (value,) in journal.execute(
            "SELECT value FROM pieces WHERE kind = 'dataset' AND name = ?", (folder.name,)):
        return json.loads(value)["held_out_tokens"]
    raise SystemExit(f"{folder}: not in the journal")


main()
