"""The evaluation of a bundle ranks as the service does, without calling it: both give the same scores."""

import numpy as np
import pytest

from index.live import LiveIndex
from index.spaces import SpaceKey
from models.training.evaluation import product_ranking as product
from service.plans import FRAME_FINE, FRAME_INSTANCE, VISUAL_COARSE, VISUAL_FINE, plan_for
from service.ranking import score

CLIPS, FRAMES, DIM = 40, 4, 16
RNG = np.random.default_rng(5)


def vectors(*shape: int) -> np.ndarray:
    rows = RNG.normal(size=(*shape, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_by_words() -> None:
    video, sound, query = vectors(CLIPS), vectors(CLIPS), vectors(1)
    silent = np.arange(CLIPS) % 7 == 0
    index, ids = LiveIndex("bundle"), np.arange(CLIPS)
    index.add(SpaceKey("visual", "coarse"), ids, video)
    index.add(SpaceKey("sound", "coarse"), ids[~silent], sound[~silent])
    asked = {SpaceKey(channel, "coarse"): query for channel in ("visual", "sound")}
    served = score(index.snapshot(), plan_for("text", "both", "auto"), asked, sample=ids, ids=ids)
    sound[silent] = np.nan
    ours = product.fused([(product.TEXT_VISUAL, query @ video.T), (product.TEXT_SOUND, query @ sound.T)])
    assert ours[0][served.ids] == pytest.approx(served.scores, abs=1e-5)


@pytest.mark.parametrize("instance", [True, False])
def test_by_a_still(instance: bool) -> None:
    """Also for a bundle without an instance space: what is left takes its weight."""
    fine, coarse, held, whitened = vectors(CLIPS), vectors(CLIPS), vectors(CLIPS, FRAMES), vectors(CLIPS, FRAMES)
    asked = {VISUAL_FINE: vectors(1), VISUAL_COARSE: vectors(1), FRAME_FINE: vectors(1), FRAME_INSTANCE: vectors(1)}
    index, ids = LiveIndex("bundle"), np.arange(CLIPS)
    index.add(VISUAL_FINE, ids, fine)
    index.add(VISUAL_COARSE, ids, coarse)
    index.add(FRAME_FINE, ids.repeat(FRAMES), held.reshape(-1, DIM))
    spaces = ("fine", "coarse", *(("instance",) if instance else ()))
    if instance:
        index.add(FRAME_INSTANCE, ids.repeat(FRAMES), whitened.reshape(-1, DIM))
    plan = plan_for("image", "both", "auto", dict.fromkeys(("video", "image", "audio"), spaces))
    served = score(index.snapshot(), plan, asked, sample=ids, ids=ids)
    ours = product.fused(
        [
            (product.FRAME_INSTANCE, product.best_frame(asked[FRAME_INSTANCE], whitened) if instance else None),
            (product.FRAME_FINE, product.best_frame(asked[FRAME_FINE], held)),
            (product.VISUAL_FINE, asked[VISUAL_FINE] @ fine.T),
            (product.VISUAL_COARSE, asked[VISUAL_COARSE] @ coarse.T),
        ]
    )
    assert ours[0][served.ids] == pytest.approx(served.scores, abs=1e-5)
