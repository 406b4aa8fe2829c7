"""The active bundle's encoders, on ONNX Runtime: CUDA when the installed build has it, else the CPU."""

import threading
from typing import NamedTuple

import numpy as np
import onnxruntime as ort

from models.bundle import VOCABULARY, Bundle
from models.preprocess.text import Tokenizer

# Input values of one call, about one window of a published network: such a window needs half a gigabyte while it is
# embedded, and a larger batch gains nothing on a CPU (FINDINGS section 5).
VALUES_A_CALL = 4_000_000


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

    def _embed(self, modality: str, array: np.ndarray) -> Embedding:
        session = self._session(modality)
        feed_name = session.get_inputs()[0].name
        names = [output.name for output in session.get_outputs()]
        rows = max(1, VALUES_A_CALL // max(1, array[0].size)) if len(array) else 1
        calls = [
            session.run(names, {feed_name: np.ascontiguousarray(array[i : i + rows])})
            for i in range(0, max(1, len(array)), rows)
        ]
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
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [p for p in wanted if p in ort.get_available_providers()]
    return ort.InferenceSession(path, options, providers=providers)
