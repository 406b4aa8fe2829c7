"""What training minimises: the embeddings of a batch, and the losses between them."""

from collections.abc import Callable

import torch
from torch import Tensor

from models.networks.embedding_graph import DisjointGraph
from models.networks.mmv import MMV
from models.training.config import OptimConfig, TrainConfig
from models.training.data.batches import Batch
from models.training.losses import mil_nce, nce

Embedded = dict[str, Tensor]


def losses(network: MMV, batch: Batch, config: TrainConfig) -> dict[str, Tensor]:
    """The loss of a batch and its parts, scalars."""
    return losses_of(embed(network, batch, config.optim), batch, config.optim)


def embed(network: MMV, batch: Batch, optim: OptimConfig) -> Embedded:
    """The embeddings that are compared, float [B, D] each; `text` [B, K, D]. None of a loss of weight 0.

    Text goes through the network once per candidate. Sound enters the coarse space (`sound_coarse`) only where
    `weight_sound_text` asks for it.
    """
    with torch.autocast(batch.frames.device.type, torch.bfloat16, enabled=optim.bf16):
        representation = network.video(batch.frames)
    return embed_seen(network, representation, batch, optim)


def embed_seen(
    network: MMV,
    representation: Tensor,
    batch: Batch,
    optim: OptimConfig,
    hide: Callable[[Tensor], Tensor] = lambda log_mel: log_mel,
) -> Embedded:
    """`embed` where the vision backbone's output [B, D] is there; `hide` changes the log-mel [B, time, mel]."""
    out: Embedded = {}
    with torch.autocast(batch.frames.device.type, torch.bfloat16, enabled=optim.bf16):
        video = network.graph.video(representation)
        if optim.weight_audio:
            with torch.autocast(batch.frames.device.type, enabled=False), torch.no_grad():
                log_mel = hide(network.log_mel(batch.sound))
            out |= {"video_fine": video["fine"], "audio_fine": network.graph.audio_fine(network.audio(log_mel))}
    if optim.weight_text:
        # Candidates come by their distance in time.
        ids = batch.ids[:, :1] if optim.text_loss == "nce" else batch.ids
        b, k, n = ids.shape
        text = network.encode_text(ids.reshape(b * k, n))["coarse"].reshape(b, k, -1)
        out |= {"video_coarse": video["coarse"], "text": text}
    out = {name: x.float() if x.dtype == torch.bfloat16 else x for name, x in out.items()}
    if optim.weight_sound_text and not isinstance(network.graph, DisjointGraph):
        out["sound_coarse"] = network.graph.sound_coarse(out["audio_fine"], out["video_fine"])
    return out


def losses_of(embedded: Embedded, batch: Batch, optim: OptimConfig) -> dict[str, Tensor]:
    """The loss and its parts, scalars; the part of a weight of 0 is 0. A collective call where there are replicas."""
    weights = {"audio": optim.weight_audio, "text": optim.weight_text}
    if "sound_coarse" in embedded:
        weights["sound_text"] = optim.weight_sound_text
    parts = dict.fromkeys(weights, torch.zeros((), device=batch.frames.device))
    if optim.weight_audio:
        parts["audio"] = nce(embedded["video_fine"], embedded["audio_fine"], batch.has_sound)
    if optim.weight_text:
        has_text = batch.has_text[:, : embedded["text"].shape[1]]
        parts["text"] = mil_nce(embedded["video_coarse"], embedded["text"], has_text)
    if "sound_coarse" in embedded:
        both = batch.has_text[:, : embedded["text"].shape[1]] & batch.has_sound[:, None]
        parts["sound_text"] = mil_nce(embedded["sound_coarse"], embedded["text"], both)
    return {"loss": torch.stack([weight * parts[name] for name, weight in weights.items()]).sum(), **parts}
