"""Makes tests/data/mergekit: tiny checkpoints, mergekit configurations, and what mergekit-yaml makes of them.

    python tools/parity/merge_config.py          in an environment with mergekit 0.1.5 and torch 2.13.0

The configurations are about reading them: gradients over layers, filters, precedence of scopes, slices, the
base among the models or not. Values of the methods themselves are compared elsewhere.
"""

import json
import pathlib
import subprocess
import sys

import torch
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).parents[2] / "tests/data/mergekit"
HIDDEN, INTERMEDIATE, VOCABULARY, LAYERS = 8, 12, 24, 3

CONFIGS = {
    "linear": """
merge_method: linear
models:
  - model: {m}/base
    parameters: {{weight: 0.5}}
  - model: {m}/a
    parameters: {{weight: [0, 0.5, 2]}}
  - model: {m}/b
    parameters:
      weight:
        - {{filter: mlp, value: 0.9}}
        - {{filter: self_attn, value: [1, 0]}}
        - {{value: 0.3}}
base_model: {m}/base
dtype: float32
""",
    "linear_global": """
merge_method: linear
models: [{{model: {m}/a}}, {{model: {m}/b, parameters: {{weight: {{filter: norm, value: 3}}}}}}]
base_model: {m}/base
parameters: {{weight: 0.25, normalize: false}}
dtype: float32
""",
    "task_arithmetic": """
merge_method: task_arithmetic
base_model: {m}/base
models:
  - model: {m}/a
    parameters: {{weight: [0.2, 1e0]}}
  - model: {m}/base
  - model: {m}/b
  - model: {m}/c
    parameters: {{weight: -0.5}}
parameters:
  weight: [{{filter: q_proj, value: 0.75}}, {{filter: "*", value: 0.1}}]
  lambda: [{{filter: down_proj, value: [0.5, 1.5]}}, {{value: 0.8}}]
dtype: float32
""",
    "slerp": """
slices:
  - sources:
      - {{model: {m}/base, layer_range: [0, 3]}}
      - {{model: {m}/a, layer_range: [0, 3]}}
merge_method: slerp
base_model: {m}/base
parameters:
  t:
    - {{filter: self_attn, value: [0, 0.5, 0.3, 0.7, 1]}}
    - {{filter: mlp, value: [1, 0.5, 0.7, 0.3, 0]}}
    - {{value: 0.5}}
dtype: float32
""",
    "ties": """
merge_method: ties
base_model: {m}/base
slices:
  - sources:
      - {{model: {m}/a, layer_range: [0, 3], parameters: {{density: [1, 0.5], weight: 0.5}}}}
      - {{model: {m}/b, layer_range: [0, 3], parameters: {{weight: [{{filter: mlp, value: 0.2}}]}}}}
      - {{model: {m}/c, layer_range: [0, 3]}}
      - {{model: {m}/base, layer_range: [0, 3]}}
    parameters: {{density: 0.75}}
parameters: {{density: 0.1, weight: 0.4, normalize: true, int8_mask: true, lambda: 1.25}}
dtype: float32
""",
    "bfloat16": """
merge_method: nuslerp
models:
  - {{model: {m}/a, parameters: {{weight: 0.75}}}}
  - {{model: {m}/b, parameters: {{weight: 0.25}}}}
base_model: {m}/base
dtype: float32
out_dtype: bfloat16
""",
}


def shapes() -> dict[str, tuple[int, ...]]:
    result = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,)}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}."
        for part in ("q", "k", "v", "o"):
            result[f"{name}self_attn.{part}_proj.weight"] = (HIDDEN, HIDDEN)
        for part in ("gate", "up"):
            result[f"{name}mlp.{part}_proj.weight"] = (INTERMEDIATE, HIDDEN)
        result[f"{name}mlp.down_proj.weight"] = (HIDDEN, INTERMEDIATE)
        for part in ("input_layernorm", "post_attention_layernorm"):
            result[f"{name}{part}.weight"] = (HIDDEN,)
    return result


def write_models() -> None:
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE, "num_hidden_layers": LAYERS,
        "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 4, "hidden_act": "silu",
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": True, "torch_dtype": "float32",
    }
    generator = torch.Generator().manual_seed(1)
    base = {name: 0.2 * torch.randn(shape, generator=generator) for name, shape in shapes().items()}
    for model in ("base", "a", "b", "c"):
        folder = ROOT / "models" / model
        folder.mkdir(parents=True, exist_ok=True)
        scale = 0 if model == "base" else 0.03
        tensors = {
            name: value + scale * torch.randn(value.shape, generator=generator)
            for name, value in base.items()
        }
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def main() -> None:
    write_models()
    program = pathlib.Path(sys.executable).parent / "mergekit-yaml"
    for name, text in CONFIGS.items():
        # Paths are relative to the working folder, in both programs.
        (ROOT / f"{name}.yml").write_text(text.format(m="models").lstrip())
        out = ROOT / "out"
        subprocess.run(
            [program, f"{name}.yml", out, "--no-copy-tokenizer", "--no-write-model-card", "--quiet"],
            cwd=ROOT, check=True,
        )
        (written,) = out.glob("*.safetensors")
        written.rename(ROOT / f"{name}.safetensors")
        for file in out.iterdir():
            file.unlink()
        out.rmdir()


if __name__ == "__main__":
    main()
