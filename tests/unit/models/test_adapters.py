"""Adapters on disk: what they are, which bases they fit, and that pipelines draw with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny
from synthgen.errors import ModelError
from synthgen.models import hub
from synthgen.models.text_to_image import adapters
from synthgen.trainers.text_to_image.methods import Lora
from synthgen.trainers.text_to_image.settings import LoraSettings


def pipeline(base: str) -> Any:
    return hub.load_pipeline(hub.pipeline_reference(hub.ModelSettings(model=base)), "Text2Image", torch.float32)


def lora(folder: Path, base: str, strength: float = 1.0) -> Path:
    """A LoRA of random changes, as `synthgen train` saves it."""
    made = pipeline(base)
    torch.manual_seed(0)
    method = Lora(made, LoraSettings(rank=2, target_modules=["to_q", "to_k"]))
    for parameter in method.model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=strength)
    folder.mkdir()
    method.save(folder, adapters.describe(made, hub.pipeline_reference(hub.ModelSettings(model=base)).source))
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# a LoRA\n")
    return folder


def kohya(path: Path, folder: Path, alpha: float = 2.0) -> Path:
    """The same LoRA as kohya's scripts name its tensors."""
    made: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(folder / adapters.LORA).items():
        layer, _, end = name.removeprefix("unet.").rpartition(".lora_")
        stem = "lora_unet_" + layer.replace(".", "_")
        made[f"{stem}.lora_{'down' if end.startswith('A') else 'up'}.weight"] = tensor
        made[f"{stem}.alpha"] = torch.tensor(alpha)
    save_file(made, path)
    return path


def drawn(made: Any, prompt: str = "a cat") -> torch.Tensor:
    options = {"height": 16, "width": 16, "num_inference_steps": 2, "output_type": "latent"}
    found: torch.Tensor = made(prompt, generator=torch.Generator().manual_seed(0), **options).images
    return found


def test_a_lora_says_what_it_is(tmp_path: Path) -> None:
    found = adapters.read(str(lora(tmp_path / "mine", tiny.stable_diffusion())))
    assert (found.kind, found.name, found.licence) == ("lora", "mine", "cc-by-4.0")
    assert found.base["architecture"]["cross_attention_dim"] == 16
    assert found.source.kind == "model"
    assert found.source.details == {"base": "StableDiffusionPipeline"}
    assert found.source.sha256 == adapters.read(str(tmp_path / "mine" / adapters.LORA)).sha256


def test_the_same_lora_in_every_format_draws_the_same(tmp_path: Path) -> None:
    base = tiny.stable_diffusion()
    own = lora(tmp_path / "mine", base)
    foreign = kohya(tmp_path / "kohya.safetensors", own)
    plain, *tuned = (pipeline(base) for _ in range(4))
    for made, path, weight in zip(tuned, (own, own / adapters.LORA, foreign), (1.0, 1.0, 1.0), strict=True):
        adapters.apply(made, [(adapters.read(str(path)), weight)])
    first, *others = (drawn(made) for made in tuned)
    assert not torch.equal(first, drawn(plain))
    assert all(torch.allclose(first, other, atol=1e-3) for other in others)


def test_strengths_count_and_add_up(tmp_path: Path) -> None:
    base = tiny.stable_diffusion()
    found = adapters.read(str(lora(tmp_path / "mine", base)))
    plain, whole, none, halves = (pipeline(base) for _ in range(4))
    adapters.apply(whole, [(found, 1.0)])
    adapters.apply(none, [(found, 0.0)])
    adapters.apply(halves, [(found, 0.5), (found, 0.5)])
    assert torch.allclose(drawn(none), drawn(plain), atol=1e-4)
    assert torch.allclose(drawn(halves), drawn(whole), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(drawn(whole), drawn(plain), atol=1e-2)


def test_a_lora_for_another_base_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    own = lora(tmp_path / "mine", tiny.stable_diffusion())
    bare = tmp_path / "bare.safetensors"
    bare.write_bytes((own / adapters.LORA).read_bytes())
    foreign = kohya(tmp_path / "kohya.safetensors", own)
    xl = pipeline(tiny.stable_diffusion_xl())
    on_disk = adapters.architecture(Path(tiny.stable_diffusion_xl()))
    assert on_disk == adapters.architecture(xl)
    for path in (own, bare, foreign):
        found = adapters.read(str(path))
        for base in (xl, on_disk):
            with pytest.raises(ModelError, match=r"was made for another base.*Take an adapter"):
                adapters.check_base(found, base)
        with pytest.raises(ModelError, match="another base"):
            adapters.apply(xl, [(found, 1.0)])
        adapters.check_base(found, pipeline(tiny.stable_diffusion()))
        adapters.check_base(found, adapters.architecture(Path(tiny.stable_diffusion())))
    assert not [name for name, _ in xl.unet.named_parameters() if "lora" in name]
    with pytest.raises(
        ModelError, match=r"\(StableDiffusionPipeline\): in this model cross_attention_dim is 32 and not 16"
    ):
        adapters.check_base(adapters.read(str(own)), on_disk)


def test_a_model_of_the_same_shape_that_predicts_something_else_is_another_base(tmp_path: Path) -> None:
    made = pipeline(tiny.stable_diffusion())
    made.scheduler.register_to_config(prediction_type="v_prediction")
    with pytest.raises(ModelError, match="prediction_type is v_prediction and not epsilon"):
        adapters.check_base(adapters.read(str(lora(tmp_path / "mine", tiny.stable_diffusion()))), made)


def test_words_of_other_programs(tmp_path: Path) -> None:
    vectors = torch.randn(2, 16)
    save_file({"<mine>": vectors}, tmp_path / "named.safetensors")
    save_file({"emb_params": vectors}, tmp_path / "thing.safetensors")
    for name, token in (("named", "<mine>"), ("thing", "thing")):
        found = adapters.read(str(tmp_path / f"{name}.safetensors"))
        assert (found.kind, found.token, found.licence) == ("textual-inversion", token, "unknown")
        made = pipeline(tiny.stable_diffusion())
        adapters.apply(made, [(found, 1.0)])
        assert torch.equal(made.text_encoder.get_input_embeddings().weight[-2:], vectors)
        with pytest.raises(ModelError, match=f"teaches the word {token}, which cannot be added"):
            adapters.apply(made, [(found, 1.0)])
        with pytest.raises(ModelError, match="2 text encoders read words, and the file has vectors for 1"):
            adapters.check_base(found, adapters.architecture(Path(tiny.stable_diffusion_xl())))


def test_what_is_no_adapter_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"")
    for path in (tmp_path / "x.pt", tmp_path / "nowhere"):
        with pytest.raises(ModelError, match=r"is no adapter: a folder with .* is accepted"):
            adapters.read(str(path))
    with pytest.raises(ModelError, match="has neither"):
        adapters.read(str(tmp_path))
    (tmp_path / "x.safetensors").write_bytes(b"none")
    with pytest.raises(ModelError, match="is no readable safetensors file"):
        adapters.read(str(tmp_path / "x.safetensors"))
    save_file({f"layer{i}": torch.zeros(2, 2) for i in range(4)}, tmp_path / "y.safetensors")
    with pytest.raises(ModelError, match="neither a LoRA nor a textual inversion, but 4 tensors"):
        adapters.read(str(tmp_path / "y.safetensors"))


def _half_named(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {(name.replace("unet.", "unet.x") if i % 4 < 2 else name): t for i, (name, t) in enumerate(tensors.items())}


WRONG: dict[str, tuple[Any, str]] = {
    "DoRA": (
        lambda t: t | {n.replace("lora_A.weight", "dora_scale"): torch.ones(4) for n in t if "lora_A" in n},
        r"16 tensors \(unet.*dora_scale.* and 11 more\) would not be used",
    ),
    "a foreign prefix": (
        lambda t: {n.replace("unet.", "foo."): v for n, v in t.items()},
        r"32 tensors \(foo.* and 27 more\) would not be used",
    ),
    "no prefix": (lambda t: {n.removeprefix("unet."): v for n, v in t.items()}, "32 tensors .* would not be used"),
    "half of its names": (_half_named, "unet has no layer xdown_blocks"),
    "only A": (lambda t: {n: v for n, v in t.items() if "lora_A" in n}, "only one of .* A and B of 16 layers"),
    "only B": (lambda t: {n: v for n, v in t.items() if "lora_B" in n}, "only one of .* A and B of 16 layers"),
    "one A missing": (lambda t: {n: v for n, v in t.items() if n != min(t)}, "A and B of 1 layer "),
    "a bias": (lambda t: t | {"unet.conv_in.diff_b": torch.ones(3)}, r"1 tensor \(unet.conv_in.diff_b\) would not"),
    "NaN": (lambda t: t | {min(t): t[min(t)] * float("nan")}, r"weights are not finite \(float32\) in unet"),
}


@pytest.mark.parametrize("name", WRONG)
def test_every_tensor_of_a_lora_is_used_or_named(tmp_path: Path, name: str) -> None:
    change, message = WRONG[name]
    base = tiny.stable_diffusion()
    tensors = dict(sorted(load_file(lora(tmp_path / "mine", base) / adapters.LORA).items()))
    save_file(change(tensors), tmp_path / "wrong.safetensors")
    with pytest.raises(ModelError, match=message):
        adapters.apply(pipeline(base), [(adapters.read(str(tmp_path / "wrong.safetensors")), 1.0)])


def test_every_tensor_of_learnt_words_is_used_or_named(tmp_path: Path) -> None:
    save_file({"clip_l": torch.ones(1, 16), "other": torch.ones(1, 16)}, tmp_path / "words.safetensors")
    with pytest.raises(ModelError, match=r"1 tensor \(other\) beside clip_l, clip_g would not be used"):
        adapters.apply(pipeline(tiny.stable_diffusion()), [(adapters.read(str(tmp_path / "words.safetensors")), 1.0)])
