"""Images to features, by each of the paper's three paths (section 3.2, and its table of image probes).

deflated: the bundle's image encoder. inflated: the image repeated as a clip, through the video encoder. naive: the
video network taken out of time with nothing trained, which no bundle holds: rebuilt in PyTorch from its weights.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.bundle import Bundle
from models.preprocess.media import read_image
from models.runtime import Encoders
from models.training.evaluation.protocols.features import Embed, Task

TOLD = {
    "deflated": "the bundle's image encoder (trained scales and offsets)",
    "naive": "the video network without time (filters summed over it, no shift), nothing trained, in PyTorch",
    "inflated": "the image repeated for the length of a window, through the video encoder",
}


def still_features(encoders: Encoders, image_path: str) -> Embed:
    """One image to its representation [1, D]. Raises BundleError where the bundle lacks the path's encoder."""
    spec = encoders.bundle.inputs
    network = image_network(encoders, image_path)

    def embed(_task: Task, path: Path) -> np.ndarray:
        still = read_image(path, spec.frame_height, spec.frame_width, method=spec.resize)
        return network(still[None])

    return embed


def image_network(encoders: Encoders, image_path: str) -> Callable[[np.ndarray], np.ndarray]:
    """uint8 [B, H, W, 3] to representations [B, D]."""
    encoders.bundle.encoder("image" if image_path == "deflated" else "video")
    frames = encoders.bundle.inputs.frames
    if image_path == "deflated":
        return lambda images: encoders.image(images).representation
    if image_path == "inflated":
        return lambda images: encoders.video(np.repeat(images[:, None], frames, axis=1)).representation
    return naive_network(encoders.bundle)


def naive_network(bundle: Bundle) -> Callable[[np.ndarray], np.ndarray]:
    """The deflated network before it is trained."""
    import torch

    from models.networks.deflation import DeflatedMMV
    from models.training.restore import restore

    deflated = DeflatedMMV(restore(bundle).network)

    @torch.inference_mode()
    def network(images: np.ndarray) -> np.ndarray:
        return deflated(torch.from_numpy(images).float() / 255)["representation"].numpy()

    return network
