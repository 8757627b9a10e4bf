"""What a trained text model does with real texts that it has not seen, and what that costs.

`translate MODEL DATA` translates test sentences and prints BLEU and chrF by steps and candidates. `rules DATASET`
prints the scores of first tries, before any rule, and of what was kept. `cost MODEL` compares the time a token takes
with that of an autoregressive model of equal width and depth (Llama's architecture, untrained, with its cache of keys
and values), in one process and in turns.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import compare, pin_to_one_core

pin_to_one_core()

import pyarrow.parquet as pq  # noqa: E402
import torch  # noqa: E402

from synthgen.models import folders, registry  # noqa: E402
from synthgen.models.text.segments import Segment  # noqa: E402
from synthgen.readers.texts import reader  # noqa: E402
from synthgen.readers.texts.reader import TextData  # noqa: E402

WAYS = ((1, 1), (2, 1), (4, 1), (16, 1), (16, 5))
"""Steps, and candidates of several lengths."""


def translate(model: str, data: str, n: int) -> None:
    """BLEU and chrF of `n` test sentences in both directions."""
    import sacrebleu

    pipeline = load(model)
    texts = reader.read(TextData(texts=data, kind="pairs")).take("test")
    rows = np.random.default_rng(0).permutation(len(texts))[:n]
    for given, wanted in (("source", "target"), ("target", "source")):
        sources, references = ([texts.texts[role][row] for row in rows] for role in (given, wanted))
        order = ("source", "target")
        records = [tuple(Segment(role, source if role == given else None) for role in order) for source in sources]
        for steps, candidates in WAYS:
            began = time.perf_counter()
            made = pipeline(
                records, list(range(n)), steps, temperature=0.0, order_noise=0.0, candidates=candidates
            ).records
            took = time.perf_counter() - began
            found = [next(segment.content for segment in record if segment.role == wanted) for record in made]
            bleu = sacrebleu.corpus_bleu(found, [references]).score
            chrf = sacrebleu.corpus_chrf(found, [references]).score
            print(
                f"{given} -> {wanted}, {steps} steps, {candidates} candidates: BLEU {bleu:.1f}, chrF {chrf:.1f}, "
                f"{1000 * took / n:.1f} ms a sentence",
                flush=True,
            )


def rules(folder: str) -> None:
    """Means of all scores of a dataset: of the first try of each sample, before any rule, and of what was kept."""
    index = pq.read_table(f"{folder}/index").to_pandas()
    scores = [name for name in index.columns if name.startswith("score.")]
    for name in scores:
        first, kept = index[index["try"] == 0][name], index[index.accepted][name]
        whole = [f"{(values >= 1).mean():.1%} at 1" for values in (first, kept)]
        print(f"{name}: first tries {first.mean():.3f} ({whole[0]}), kept {kept.mean():.3f} ({whole[1]})")
    print(f"{len(index):,} tries, {index.accepted.mean():.1%} kept")


def cost(model: str, n: int, length: int, steps: int, repeats: int) -> None:
    """Seconds to generate `n` records of `length` tokens here, against `length` steps of an autoregressive model."""
    from transformers import LlamaConfig, LlamaForCausalLM

    pipeline = load(model)
    config = pipeline.denoiser.config
    rival: Any = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.n_tokens,
            hidden_size=config.width,
            intermediate_size=4 * config.width * 2 // 3,
            num_hidden_layers=config.n_blocks,
            num_attention_heads=config.n_heads,
            tie_word_embeddings=True,
        )
    )
    rival.eval()
    weights = [sum(p.numel() for p in each.parameters()) for each in (pipeline.denoiser, rival)]
    print(f"weights: {weights[0]:,} here, {weights[1]:,} autoregressive; {n} texts of {length} tokens, {steps} steps")
    tokenizer = pipeline.tokenizer
    role = tokenizer.roles[-1]

    @torch.inference_mode()
    def masked() -> float:
        began = time.perf_counter()
        for start in range(0, n, 16):
            rows = range(start, min(start + 16, n))
            pieces = [tokenizer.pieces((Segment(role),), [length]) for _ in rows]
            layout = tokenizer.lay_out(pieces, -(-(length + 1) // 8) * 8)
            pipeline._unmask(layout, list(rows), steps, 1.0, None, None)
        return time.perf_counter() - began

    @torch.inference_mode()
    def autoregressive() -> float:
        began = time.perf_counter()
        for start in range(0, n, 16):
            ids = torch.zeros((min(16, n - start), 1), dtype=torch.int64)
            rival.generate(ids, do_sample=True, min_new_tokens=length, max_new_tokens=length, pad_token_id=0)
        return time.perf_counter() - began

    masked(), autoregressive()
    compare("seconds, masked diffusion over autoregressive", masked, autoregressive, repeats)


def load(model: str) -> Any:
    pipeline = registry.load_pipeline(Path(folders.resolve(model)), "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("translate")
    one.add_argument("model")
    one.add_argument("data")
    one.add_argument("--sentences", type=int, default=1000)
    one = commands.add_parser("rules")
    one.add_argument("folder")
    one = commands.add_parser("cost")
    one.add_argument("model")
    one.add_argument("--texts", type=int, default=32)
    one.add_argument("--length", type=int, default=32)
    one.add_argument("--steps", type=int, default=16)
    one.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    if given.command == "translate":
        translate(given.model, given.data, given.sentences)
    elif given.command == "rules":
        rules(given.folder)
    else:
        cost(given.model, given.texts, given.length, given.steps, given.repeats)


if __name__ == "__main__":
    main()
