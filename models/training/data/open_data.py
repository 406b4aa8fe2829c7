"""What a run is trained on: the sources that its configuration or the command line names, ready to be read."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from models.preprocess.windows import spread
from models.training.config import SourceConfig, TrainConfig
from models.training.data.batches import Part
from models.training.data.cache import ClipCache, open_cache
from models.training.data.decoder import Decoder
from models.training.data.hold_out import hold_out
from models.training.data.limit_text import limit_text
from models.training.data.sample import DataError, Source, joined_fingerprint
from models.training.data.sources import open_source

DECODED = "decoded"  # folder in a run, of decoded clips that cannot lie by their data
SOME = 2048  # clips that are kept decoded of a set that is not kept decoded whole

Data = Path | Source | None  # where the training data is; None: where the configuration says


@dataclass(frozen=True)
class TrainingData:
    """Sources and their parts of each batch; what of them is held out; decoded clips of the one with the largest share,
    to measure on.
    """

    sources: list[Source]
    parts: list[Part]
    held_out: Source | None
    cache: ClipCache

    def close(self) -> None:
        """End the processes that decode."""
        for part in self.parts:
            part.reader.close()


def open_data(
    config: TrainConfig,
    data: Data,
    keep: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> TrainingData:
    """Open a run's data; decode it into caches, unless the configuration says not to. Raises DataError.

    `keep`: where decoded clips are kept that cannot lie by their data. `report` is told what there is and what was
    skipped.
    """
    sources, held_out = open_sources(config, data, progress)
    shares = [1.0] if data else [source.share for source in config.data.sources]
    for source in sources:
        report(source.describe())
    caches: list[ClipCache] = []
    parts: list[Part] = []
    for source, share in zip(sources, shares, strict=True):
        some = source if config.data.cache else some_of(source)
        caches.append(open_cache(some, config.inputs, config.augment.margin, keep=keep, progress=progress))
        if caches[-1].failed:
            report(f"{source.folder}: {caches[-1].failed} clips cannot be decoded; others stand for them")
        reader = (
            caches[-1] if config.data.cache else Decoder(source, config.augment.margin, config.data.workers, report)
        )
        parts.append(Part(limit_text(reader, config.text, config.seed), share))
    return TrainingData(sources, parts, held_out, caches[shares.index(max(shares))])


def open_sources(
    config: TrainConfig, data: Data, progress: Callable[[int, int], None] | None = None
) -> tuple[list[Source], Source | None]:
    """The sources of a run, the one that is given or else those of the configuration, less what is held out; and that.

    Raises DataError.
    """
    sources = _open_all(config, data, progress)
    if not config.data.hold_out:
        return sources, None
    parts = [hold_out(source, config.data.hold_out) for source in sources]
    return [kept for kept, _ in parts], merged([judge for _, judge in parts])


def _open_all(config: TrainConfig, data: Data, progress: Callable[[int, int], None] | None) -> list[Source]:
    if isinstance(data, Source):
        return [data]
    named = (SourceConfig(str(data)),) if data else config.data.sources
    if not named:
        raise DataError("no data is given: pass --data, or name data.sources in the configuration")
    return [
        open_source(
            Path(source.path),
            source.kind,
            videos=Path(source.videos) if source.videos else None,
            stretch_s=config.data.stretch_s,
            progress=progress,
        )
        for source in named
    ]


def merged(sources: list[Source]) -> Source:
    """Several sources as one."""
    return Source(
        kind=", ".join(source.kind for source in sources),
        folder=sources[0].folder,
        items=[item for source in sources for item in source.items],
        skipped=sum((source.skipped for source in sources), Counter[str]()),
        fingerprint=joined_fingerprint([source.fingerprint for source in sources]),
    )


def some_of(source: Source) -> Source:
    """Some clips, evenly spread over a source."""
    items = [source.items[i] for i in spread(len(source.items), SOME)]
    return replace(source, items=items, fingerprint=f"{source.fingerprint}-{len(items)}")
