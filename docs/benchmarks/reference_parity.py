"""Our networks against the published implementation, on the same weights and inputs.

The weights are random: the check is of the arithmetic and of the checkpoint reader, not of the published weights. The
two sides need not share an environment, since one has JAX and the other PyTorch; files are what they exchange. Both
compute everything twice: in float32 as they are used, and in float64, where rounding hides no difference.

The reference is the folder `mmv` of google-deepmind/deepmind-research (Apache 2.0; commit c146166). It is imported
from a checkout and is no part of this repository:

    git clone --depth 1 https://github.com/google-deepmind/deepmind-research
    python -m venv reference && reference/bin/pip install jax dm-haiku dill optax absl-py numpy
    reference/bin/python docs/benchmarks/reference_parity.py reference --reference deepmind-research --files parity
    python docs/benchmarks/reference_parity.py compare --files parity --out docs/benchmarks/reference_parity.md

The one with JAX writes about 1.4 GB: a checkpoint for each network, and the inputs and outputs of each case.

The tests compare with the reference too, on weights that they make themselves; its outputs for these were written by

    PYTHONPATH=. reference/bin/python docs/benchmarks/reference_parity.py golden --reference deepmind-research \\
        --out models/tests/reference_outputs.npz
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import jax

VOCABULARY, WORD_DIM = 65_536, 300
# Name -> (the part of a file name by which the reference chooses its configuration, our architecture, kind of input).
NETWORKS = {
    "x1": ("tsm_resnet_x1", "tsm-resnet50", "frames"),
    "x2": ("tsm_resnet_x2", "tsm-resnet50x2", "frames"),
    "s3d": ("s3d", "s3d", "space to depth"),
    "s3d_raw": ("s3d", "s3d", "frames"),
}
# Frames [B, T, H, W], spectrogram [time, mel], words [B, N]. Sizes that SAME padding treats differently: 200 halves to
# odd and even sizes, 50 x 58 is odd after the first halving.
CASES = {
    "64x64_T6": ((2, 6, 64, 64), (96, 40), (2, 16)),
    "64x64_T1": ((2, 1, 64, 64), (150, 80), (1, 5)),
    "64x64_T8": ((2, 8, 64, 64), (157, 80), (2, 16)),
    "64x64_T32": ((1, 32, 64, 64), (33, 80), (1, 5)),
    "50x58_T6": ((2, 6, 50, 58), (1, 80), (2, 16)),
    "200x200_T32": ((1, 32, 200, 200), (500, 80), (1, 5)),
}
OUTPUTS = (
    "video_representation",
    "video_fine",
    "video_coarse",
    "audio_representation",
    "audio_fine",
    "audio_coarse",
    "text_representation",
    "text_coarse",
)
TOLERANCES = {"float32": 1e-4, "float64": 1e-10}


def main() -> None:
    """Run one of the two sides."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sides = parser.add_subparsers(dest="side", required=True)
    reference = sides.add_parser("reference", help="write checkpoints, inputs and outputs with the reference (JAX)")
    reference.add_argument("--reference", type=Path, required=True, help="a checkout of deepmind-research")
    ours = sides.add_parser("compare", help="run our networks on them and report (PyTorch)")
    ours.add_argument("--out", type=Path, help="where to write the report")
    golden = sides.add_parser("golden", help="write the outputs that models/tests/test_pretrained.py expects (JAX)")
    golden.add_argument("--reference", type=Path, required=True, help="a checkout of deepmind-research")
    golden.add_argument("--out", type=Path, required=True)
    for side in (reference, ours):
        side.add_argument("--files", type=Path, required=True, help="folder of the files that both sides use")
        side.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
        side.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    args = parser.parse_args()
    if args.side == "reference":
        write_reference(args.reference, args.files, args.networks, args.cases)
    elif args.side == "golden":
        write_golden(args.reference, args.out)
    else:
        compare(args.files, args.networks, args.cases, args.out)


def write_reference(checkout: Path, files: Path, networks: list[str], cases: list[str]) -> None:
    """Random checkpoints and what the reference makes of the cases with them."""
    import dill
    import haiku
    import jax

    use_reference(checkout)
    files.mkdir(parents=True, exist_ok=True)
    versions = {"jax": jax.__version__, "haiku": haiku.__version__, "dill": dill.__version__}
    (files / "versions.json").write_text(json.dumps(versions))
    for name in networks:
        apply, start = reference_network(name)
        weights = start(inputs(name, "64x64_T6"))
        checkpoint = files / f"{name}.pkl"
        with checkpoint.open("wb") as file:
            dill.dump(weights, file)
        for case in cases:
            started = time.perf_counter()
            frames, log_mel, ids = inputs(name, case)
            arrays = {}
            for precision in TOLERANCES:
                outputs = apply(*jax.tree.map(partial(as_float, precision), (weights, (frames, log_mel, ids))))
                arrays |= {f"{key}_{precision}": np.asarray(value) for key, value in outputs.items()}
            unfinished = files / f"{name}_{case}.part.npz"
            np.savez(unfinished, frames=frames, log_mel=log_mel, ids=ids, **arrays)
            unfinished.rename(files / f"{name}_{case}.npz")
            print(f"{name} {case}: {time.perf_counter() - started:.0f} s", flush=True)


def write_golden(checkout: Path, out: Path) -> None:
    """What the reference makes, in float64, of the weights and inputs of models/tests/checkpoints.py."""
    import jax

    from models.tests.checkpoints import parity_inputs, random_contents

    use_reference(checkout)
    arrays = {}
    for name, (_, arch, _) in NETWORKS.items():
        if name != "s3d_raw":
            apply, _ = reference_network(name)
            outputs = apply(*jax.tree.map(partial(as_float, "float64"), (random_contents(arch), parity_inputs())))
            arrays |= {f"{arch} {key}": np.asarray(value, np.float32) for key, value in outputs.items()}
    np.savez_compressed(out, **arrays)


def use_reference(checkout: Path) -> None:
    """Make the reference importable."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    # A name that the reference uses in type annotations and JAX no longer has.
    jnp.DeviceArray = jax.Array
    sys.path.insert(0, str(checkout))


def reference_network(name: str) -> tuple[Callable, Callable]:
    """The published network as functions: (weights, inputs) -> outputs, and inputs -> random weights."""
    import haiku as hk
    import jax
    import jax.numpy as jnp
    from mmv import config
    from mmv.models import mm_embeddings

    file_name, _, kind = NETWORKS[name]

    def forward(training: bool, frames: jax.Array, log_mel: jax.Array, ids: jax.Array) -> dict[str, jax.Array]:
        text = []

        # The text tower's representation is no output of the reference's model: it is taken on its way to the head.
        def keep_text(call: Callable, args: tuple, kwargs: dict, context: hk.MethodContext) -> object:
            result = call(*args, **kwargs)
            if isinstance(context.module, mm_embeddings.TextModule) and context.method_name == "__call__":
                text.append(result)
            return result

        model = mm_embeddings.AudioTextVideoEmbedding(
            **config.get_model_config(file_name), word_embedding_matrix=jnp.zeros((VOCABULARY, WORD_DIM), np.float32)
        )
        if kind == "space to depth":
            frames = space_to_depth(frames)
        with hk.intercept_methods(keep_text):
            out = model(images=frames, audio_spectrogram=log_mel[..., None], word_ids=ids, is_training=training)
        return {
            "video_representation": out["vid_repr"],
            "video_fine": out["vid_embd"]["toaud"],
            "video_coarse": out["vid_embd"]["totxt"],
            "audio_representation": out["aud_repr"],
            "audio_fine": out["aud_embd"]["tovid"],
            "audio_coarse": out["aud_embd"]["totxt"],
            "text_representation": text[0],
            "text_coarse": out["txt_embd"]["tovid"],
        }

    network = hk.transform_with_state(forward)
    evaluate = jax.jit(lambda params, state, arrays: network.apply(params, state, None, False, *arrays)[0])

    def one_replica(function: Callable) -> object:
        # In training mode the running statistics are averaged over an axis of replicas, `i`.
        return jax.tree.map(lambda a: a[0], jax.vmap(lambda _: function(), axis_name="i")(jnp.zeros(1)))

    def start(arrays: tuple[np.ndarray, ...]) -> dict:
        shapes, _ = jax.eval_shape(lambda: one_replica(lambda: network.init(jax.random.PRNGKey(0), True, *arrays)))
        params = random_params(shapes)

        @jax.jit
        def train(params: dict) -> dict:
            _, state = one_replica(lambda: network.init(jax.random.PRNGKey(0), True, *arrays))
            return one_replica(lambda: network.apply(params, state, None, True, *arrays)[1])

        return {"params": params, "state": disturbed(train(params))}

    def apply(weights: dict, arrays: tuple[np.ndarray, ...]) -> dict[str, jax.Array]:
        return evaluate(weights["params"], weights["state"], arrays)

    return apply, start


def as_float(precision: str, array: np.ndarray) -> np.ndarray:
    """Floats in another precision; whole numbers as they are."""
    return array.astype(precision) if np.issubdtype(array.dtype, np.floating) else array


def space_to_depth(frames: "jax.Array") -> "jax.Array":
    """[B, T, H, W, C] -> [B, T/2, H/2, W/2, 8C]: each 2 x 2 x 2 block in one place, by time, row, column, colour."""
    import jax.numpy as jnp

    corners = product((0, 1), repeat=3)
    return jnp.concatenate([frames[:, t::2, row::2, column::2] for t, row, column in corners], axis=-1)


def inputs(name: str, case: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random frames float32 [B, T, H, W, 3], log-mel float32 [B, time, mel] and ids int32 [B, N] of a case."""
    shape, spectrogram, words = CASES[case]
    batch, times, height, width = shape
    if NETWORKS[name][2] == "space to depth":
        times += times % 2  # pairs of frames
    rng = np.random.default_rng(list(CASES).index(case))
    # Every frame has a tint of its own, so that the order of frames matters after an average over pixels.
    tint = rng.random((batch, times, 1, 1, 3), np.float32)
    frames = rng.random((batch, times, height, width, 3), np.float32) * tint
    log_mel = rng.normal(-3, 2, (2, *spectrogram)) * rng.uniform(0.5, 1.5, (2, spectrogram[0], 1))
    return frames, log_mel.astype(np.float32), rng.integers(0, VOCABULARY, words, np.int32)


def random_params(shapes: dict) -> dict:
    """Parameters of the given shapes, every part of them distinguishable."""
    rng = np.random.default_rng(0)

    def leaf(key: str, shape: tuple[int, ...]) -> np.ndarray:
        if key == "scale":
            return rng.uniform(0.5, 1.5, shape)
        if key == "w":
            return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        if key == "embeddings":
            return rng.standard_normal(shape, np.float32)
        return rng.normal(0, 0.1, shape)  # offset, b

    return {
        module: {key: leaf(key, array.shape).astype(np.float32) for key, array in leaves.items()}
        for module, leaves in shapes.items()
    }


def disturbed(state: dict) -> dict:
    """Running statistics like those of one training step, so that no layer drowns the biases of the next.

    Not those themselves: random clips are so alike that their variance is next to nothing beside the mean. And `hidden`
    differs from `average`, which is the one to use.
    """
    rng = np.random.default_rng(1)
    result = {}
    for module in state:
        if module.endswith("/mean_ema"):
            variance_of = module.removesuffix("mean_ema") + "var_ema"
            mean, variance = (np.asarray(state[m]["average"], np.float32) for m in (module, variance_of))
            variance = (variance + mean**2) * rng.uniform(0.5, 1.5, mean.shape)
            mean = mean * rng.uniform(0.5, 1, mean.shape)
            for path, average in ((module, mean), (variance_of, variance)):
                average = average.astype(np.float32)
                result[path] = {"counter": np.asarray(10, np.int32), "hidden": average * 0.65, "average": average}
    return result


def compare(files: Path, networks: list[str], cases: list[str], out: Path | None) -> None:
    """Our outputs from the same files. Exits with 1 when any differs by more than its tolerance."""
    rows = []
    worst = dict.fromkeys(TOLERANCES, 0.0)
    for name in networks:
        errors, spreads = differences(files, name, cases)
        for output in OUTPUTS:
            largest = {precision: max(errors[precision][output]) for precision in TOLERANCES}
            worst = {precision: max(worst[precision], largest[precision]) for precision in TOLERANCES}
            figures = " | ".join(f"{error:.1e}" for error in largest.values())
            rows.append(f"| {name} | {output} | {figures} | {min(spreads[output]):.2f} |")
        print(f"{name} is compared", file=sys.stderr, flush=True)
    summary = ", ".join(f"{error:.1e} in {precision}" for precision, error in worst.items())
    page = "\n".join([*introduction(files, cases), *rows, "", f"Largest of all: {summary}.", ""])
    print(page)
    if out:
        out.write_text(page)
    if not all(worst[precision] <= limit for precision, limit in TOLERANCES.items()):
        sys.exit(1)


def introduction(files: Path, cases: list[str]) -> list[str]:
    """What the table says."""
    import torch

    versions = json.loads((files / "versions.json").read_text())
    frames = ", ".join(" x ".join(map(str, CASES[case][0][1:])) for case in cases)
    sounds = ", ".join(" x ".join(map(str, CASES[case][1])) for case in cases)
    return [
        "# Our networks against the published implementation",
        "",
        "The reference (google-deepmind/deepmind-research, `mmv`, unchanged) and our networks, with the same random",
        "checkpoint, read by `models.pretrained.load_checkpoint`, on the same inputs. The error is the largest",
        "absolute difference of an output, in any case, over its largest absolute value. Written by",
        "`docs/benchmarks/reference_parity.py`, which says how to repeat it.",
        "",
        f"- Clips (frames x height x width): {frames};",
        "  `s3d` takes pairs of frames (space to depth), so 1 frame becomes 2; `s3d_raw` is S3D-G without that.",
        f"- Spectrograms (time x bins): {sounds}. Texts of 16 and of 5 words.",
        f"- JAX {versions['jax']}, Haiku {versions['haiku']}, dill {versions['dill']}; PyTorch {torch.__version__};",
        "  on a CPU. In float64 both have the float32 weights and inputs, and compute in float64.",
        "- Spread: how far two random inputs of a batch lie apart, on the same scale and at the least. Outputs that",
        "  did not depend on the inputs would have none.",
        "",
        "| network | output | error in float32 | error in float64 | spread |",
        "|---|---|---|---|---|",
    ]


def differences(files: Path, name: str, cases: list[str]) -> tuple[dict[str, dict[str, list]], dict[str, list]]:
    """Of each precision and output, the error in every case; and of each output, how far a batch's inputs lie apart."""
    import torch

    from models.pretrained import load_checkpoint

    network = load_checkpoint(files / f"{name}.pkl", NETWORKS[name][1]).eval()
    errors: dict[str, dict[str, list]] = {precision: {output: [] for output in OUTPUTS} for precision in TOLERANCES}
    spreads: dict[str, list] = {output: [] for output in OUTPUTS}
    for precision in TOLERANCES:
        kind_of_float = getattr(torch, precision)
        network = network.to(kind_of_float)
        for case in cases:
            with np.load(files / f"{name}_{case}.npz") as arrays, torch.inference_mode():
                ours = {
                    "video": network.encode_video(torch.from_numpy(arrays["frames"]).to(kind_of_float)),
                    "audio": network.encode_audio(torch.from_numpy(arrays["log_mel"]).to(kind_of_float)),
                    "text": network.encode_text(torch.from_numpy(arrays["ids"]).long()),
                }
                for output in OUTPUTS:
                    modality, _, kind = output.partition("_")
                    theirs = arrays[f"{output}_{precision}"]
                    errors[precision][output].append(difference(ours[modality][kind].numpy(), theirs))
                    if len(theirs) > 1:
                        spreads[output].append(difference(theirs[:1], theirs[-1:]))
    return errors, spreads


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest absolute difference over the largest absolute value. Raises ValueError for other shapes, dtypes, NaN."""
    if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
        raise ValueError(f"ours is {ours.dtype} {ours.shape}, the reference's {theirs.dtype} {theirs.shape}")
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError("an output is not finite")
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


if __name__ == "__main__":
    main()
