"""Sound's fine embedding brought to the length of vision's before the head that both share.

Cosine losses leave that length free, but the head (ReLU, linear, batch norm) was made for vision's. Off unless asked
for: the published networks are imported as they are.
"""

from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch.nn import functional as F

from models.bundle import InputSpec
from models.networks.embedding_graph import FACGraph
from models.networks.mmv import MMV
from models.training.data.folder import windows
from models.training.progress import progress_bar

WINDOWS = 32


@torch.no_grad()
def correct_audio_norm(network: MMV, folder: Path, inputs: InputSpec, console: Console) -> dict[str, Any]:
    """Set the network's `audio_scale` by films with sound; what `bundle.json` records of it.

    The mean lengths of both, the factor, and how far it moves sound's coarse embeddings (mean cosine of new to old).
    """
    graph = network.graph
    assert isinstance(graph, FACGraph)
    video, audio = [], []
    with progress_bar(console) as bar:
        task = bar.add_task("lengths of sound and vision", total=WINDOWS)
        for window in windows(folder, inputs, WINDOWS):
            frames, waveform = torch.from_numpy(window.frames)[None], torch.from_numpy(window.waveform)[None]
            video.append(network.encode_video(frames.float() / 255)["fine"])
            audio.append(network.audio(network.log_mel(waveform)))
            bar.advance(task)
    lengths = {
        "video": float(torch.cat(video).norm(dim=1).mean()),
        "audio": float(graph.audio_fine(torch.cat(audio)).norm(dim=1).mean()),
    }
    before = graph.audio(torch.cat(audio))["coarse"]
    graph.audio_scale.fill_(lengths["video"] / lengths["audio"])
    after = graph.audio(torch.cat(audio))["coarse"]
    return {
        "windows": len(video),
        "mean_length": lengths,
        "audio_scale": float(graph.audio_scale),
        "coarse_cosine_to_uncorrected": float(F.cosine_similarity(before, after).mean()),
    }
