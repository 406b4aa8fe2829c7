"""The active bundle's encoders, on ONNX Runtime: CUDA when the installed build has it, else the CPU."""

import threading
import time
from typing import NamedTuple

import numpy as np
import onnxruntime as ort

from models.bundle import VOCABULARY, Bundle
from models.preprocess.text import Tokenizer

# Input values of one call, about one window of a published network: such a window needs half a gigabyte while it is
# embedded, and a larger batch gains nothing on a CPU (FINDINGS section 5).
VALUES_A_CALL = 4_000_000
# Which encoder is run to have memory handed back.
CHEAPEST_FIRST = ("text", "audio", "image", "video")


class Embedding(NamedTuple):
    """float32 rows, L2-normalised but for the representation.

    coarse is missing for sound in a disjoint graph, where nothing joins sound and words. instance, of stills and
    sounds, tells the very same one from similar ones; windows have none, nor have bundles that were not trained for it.
    """

    fine: np.ndarray  # [B, F]
    representation: np.ndarray  # [B, R], before the heads, for linear probes
    coarse: np.ndarray | None = None  # [B, C]
    instance: np.ndarray | None = None  # [B, I]


class Encoders:
    """Embeds pictures, sound and words. Sessions load on first use; all methods may be called from many threads.

    With one intra-op thread a call runs on its caller's thread, so parallel callers use the cores without contention
    (several times the throughput of one session with as many threads as cores).
    """

    def __init__(self, bundle: Bundle, *, threads: int = 1, precision: str = "fp32"):
        """precision: fp32, int8 (for CPUs) or fp16 (for GPUs); encoders that the bundle has in fp32 only stay that.

        Raises BundleError when the bundle has no encoder in the precision.
        """
        bundle.require(precision)
        self.bundle = bundle
        self._precision = precision
        self._threads = threads
        self._sessions: dict[str, ort.InferenceSession] = {}
        self._lock = threading.Lock()
        self._used_at: float | None = None  # None: since the last `rest` nothing was embedded
        self._tokenizer: Tokenizer | None = None
        if "text" in bundle.modalities:
            inputs = bundle.inputs
            self._tokenizer = Tokenizer.from_file(bundle.path / VOCABULARY, inputs.words, inputs.hyphens)

    def video(self, frames: np.ndarray) -> Embedding:
        """Windows: uint8 [B, T, H, W, 3]."""
        return self._embed("video", frames)

    def image(self, frames: np.ndarray) -> Embedding:
        """Stills, through the deflated network: uint8 [B, H, W, 3]."""
        return self._embed("image", frames)

    def audio(self, waveform: np.ndarray) -> Embedding:
        """Mono sound at the bundle's rate: float32 [B, S] in [-1, 1], any length from a tenth of a second."""
        shortest = self.bundle.inputs.sample_rate // 10
        if waveform.shape[1] < shortest:
            waveform = np.pad(waveform, ((0, 0), (0, shortest - waveform.shape[1])))
        return self._embed("audio", waveform)

    def text(self, texts: list[str]) -> np.ndarray:
        """Texts to coarse [B, C]. Raises UnknownWords for a text with no known word, BundleError with no text tower."""
        session = self._session("text")
        assert self._tokenizer is not None  # load_bundle refuses text.onnx without a vocabulary
        for text in texts:
            self._tokenizer.require_known(text)
        return session.run(["coarse"], {session.get_inputs()[0].name: self._tokenizer(texts)})[0]

    def spaces(self) -> dict[str, tuple[str, ...]]:
        """For each modality that the bundle has, the outputs of its encoder: fine, coarse and so on. Loads them all."""
        return {
            modality: tuple(output.name for output in self._session(modality).get_outputs())
            for modality in self.bundle.modalities
        }

    def warm(self) -> None:
        """Load every encoder now rather than at the first query."""
        for modality in self.bundle.modalities:
            self._session(modality)

    def rest(self, after_s: float = 0.0) -> bool:
        """Hands back the memory that calls took to work in (60 MB with the shipped bundle); the next takes it again.

        Not when something was embedded in the last `after_s` seconds, or nothing was since the last time: then False.
        """
        used_at = self._used_at
        if used_at is None or time.monotonic() - used_at < after_s:
            return False
        self._used_at = None
        # ONNX Runtime empties its arena at the end of a call, and in no other way; all sessions share one.
        modality = next(name for name in CHEAPEST_FIRST if name in self._sessions)
        options = ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        session = self._session(modality)
        session.run(None, {session.get_inputs()[0].name: self._least(modality)}, options)
        return True

    def _least(self, modality: str) -> np.ndarray:
        """A small input of an encoder."""
        inputs = self.bundle.inputs
        frame = (inputs.frame_height, inputs.frame_width, 3)
        shapes: dict[str, tuple[tuple[int, ...], type]] = {
            "text": ((1, inputs.words), np.int64),
            "audio": ((1, inputs.sample_rate // 10), np.float32),
            "image": ((1, *frame), np.uint8),
            "video": ((1, inputs.frames, *frame), np.uint8),
        }
        shape, kind = shapes[modality]
        return np.zeros(shape, kind)

    def _embed(self, modality: str, array: np.ndarray) -> Embedding:
        session = self._session(modality)
        feed_name = session.get_inputs()[0].name
        names = [output.name for output in session.get_outputs()]
        rows = max(1, VALUES_A_CALL // max(1, array[0].size)) if len(array) else 1
        calls = [
            session.run(names, {feed_name: np.ascontiguousarray(array[i : i + rows])})
            for i in range(0, max(1, len(array)), rows)
        ]
        self._used_at = time.monotonic()
        return Embedding(**{name: np.concatenate(parts) for name, *parts in zip(names, *calls, strict=True)})

    def _session(self, modality: str) -> ort.InferenceSession:
        with self._lock:
            if modality not in self._sessions:
                has = modality in self.bundle.variants.get(self._precision, {})
                path = self.bundle.encoder(modality, self._precision if has else "fp32")
                self._sessions[modality] = open_session(str(path), self._threads)
            return self._sessions[modality]


def open_session(path: str, threads: int = 1, *, arena: bool = True) -> ort.InferenceSession:
    """A session with few threads that don't spin: serving shares its cores with decoding and other requests.

    Without the `arena` memory is given back after every call: slower, for whoever runs a large encoder just once.
    """
    options = ort.SessionOptions()
    options.enable_cpu_mem_arena = arena
    if arena:
        _share_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [p for p in wanted if p in ort.get_available_providers()]
    return ort.InferenceSession(path, options, providers=providers)


_sharing = threading.Lock()
_shared = False


def _share_arena() -> None:
    """Sees to it that this process has one arena for all sessions, which grows by what it is asked for.

    With one each, every session keeps the most memory that it ever worked in, rounded up to a power of two.
    """
    global _shared
    with _sharing:
        if not _shared:
            memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
            # No limit, as much as is requested, and the defaults of the library.
            ort.create_and_register_allocator(memory, ort.OrtArenaCfg(0, 1, -1, -1))
            _shared = True
