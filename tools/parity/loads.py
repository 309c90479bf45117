"""Whether transformers loads merged checkpoints: every tensor found, none left over, finite logits.

    python tools/parity/loads.py FOLDER…
"""

import sys

import torch
import transformers


def main() -> None:
    for folder in sys.argv[1:]:
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            folder, output_loading_info=True, dtype="auto"
        )
        problems = {key: value for key, value in info.items() if value}
        with torch.no_grad():
            logits = model(torch.arange(16).unsqueeze(0)).logits
        tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
        print(f"{folder}: {model.dtype}, tied {tied}, finite {bool(logits.isfinite().all())}, {problems}")
        assert not problems and logits.isfinite().all()


if __name__ == "__main__":
    main()
