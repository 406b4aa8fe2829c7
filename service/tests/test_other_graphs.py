"""Bundles that lack something: sound that no words are compared with (a disjoint graph), words at all."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index import SpaceKey
from models.bundle import Bundle
from models.runtime import Encoders
from models.tests import media_samples, tiny_bundle
from service.catalogue import Catalogue
from service.library_view import LibraryView
from service.plans import QUERY_PLANS, SIDE_WEIGHTS, Kind, Match, plan_for
from service.problems import Refused
from service.queries import audio_vectors, image_vectors, video_vectors
from service.search import Asked, Options, Searcher
from service.settings import Settings
from service.tests.test_ingest import take_in, vectors_of

WHOLE = ("fine", "coarse", "representation", "instance")
MODEL = {"video": WHOLE[:3], "image": WHOLE, "audio": WHOLE, "text": ("coarse",)}
DISJOINT = {**MODEL, "image": WHOLE[:3], "audio": ("fine", "representation")}


@pytest.fixture(scope="module")
def whole(tiny: Bundle) -> Bundle:
    return tiny


@pytest.fixture(scope="module")
def disjoint(whole: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Encoders:
    folder = tmp_path_factory.mktemp("bundles")
    plain = tiny_bundle.without_outputs(whole, folder / "plain", "image", "instance")
    return Encoders(tiny_bundle.without_outputs(plain, folder / "disjoint", "audio", "coarse", "instance"))


def test_encoders_say_which_spaces_they_have(whole: Bundle, disjoint: Encoders) -> None:
    assert {name: set(spaces) for name, spaces in Encoders(whole).spaces().items()} == {
        name: set(spaces) for name, spaces in MODEL.items()
    }
    assert {name: set(spaces) for name, spaces in disjoint.spaces().items()} == {
        name: set(spaces) for name, spaces in DISJOINT.items()
    }


def test_a_sound_of_a_disjoint_bundle_has_no_coarse_vector(disjoint: Encoders) -> None:
    spec, random = disjoint.bundle.inputs, np.random.default_rng(0)
    wave = random.normal(0, 0.1, 2 * spec.sample_rate).astype(np.float32)
    windows = random.integers(0, 256, (2, spec.frames, spec.frame_height, spec.frame_width, 3), dtype=np.uint8)
    assert disjoint.audio(wave[None]).coarse is None
    assert {str(key) for key in audio_vectors(disjoint, wave)} == {"sound.fine", "visual.fine"}
    seen = {"frame.fine", "frame.coarse", "visual.fine", "visual.coarse"}
    assert {str(key) for key in video_vectors(disjoint, windows, wave)} == {*seen, "sound.fine"}
    assert {str(key) for key in image_vectors(disjoint, windows[0, 0])} == {*seen, "sound.fine", "sound.coarse"}


def test_a_library_of_a_disjoint_bundle_is_searched_in_what_it_has(
    samples: Path, settings: Settings, library: Catalogue, disjoint: Encoders
) -> None:
    for name in ("film.mp4", "sound.wav", "silent.mp4"):
        take_in(samples / name, settings, library, disjoint)
    spaces = {(channel, space) for channel, space, _ in vectors_of(library, disjoint)}
    assert spaces == {("visual", "fine"), ("visual", "coarse"), ("frame", "fine"), ("sound", "fine")}
    searcher = Searcher(library, LibraryView(library, disjoint.bundle.fingerprint, settings.index_dir), disjoint)
    found = searcher.text("red", Options()).moments
    assert {moment.video.title for moment in found} == {"film", "silent"}
    assert {key for moment in found for key in moment.found.evidence} == {"visual.coarse"}
    wave = media_samples.sound(5, 6.0)[: disjoint.bundle.inputs.sample_rate]
    heard = searcher.example(Asked("audio", "wave", audio_vectors(disjoint, wave)), Options()).moments
    assert {key for moment in heard for key in moment.found.evidence} == {"sound.fine", "visual.fine"}
    with pytest.raises(Refused, match="cannot compare words with match=sound"):
        searcher.text("red", Options(match="sound"))


def test_a_side_that_lacks_spaces_keeps_its_share() -> None:
    for kind in QUERY_PLANS:
        whole, less = plan_for(kind, "both", "auto", MODEL), plan_for(kind, "both", "auto", DISJOINT)
        assert whole == plan_for(kind, "both", "auto")
        for side, channels in (("visual", {"visual", "frame"}), ("sound", {"sound"})):
            wanted = 0.0 if (kind, side) == ("text", "sound") else SIDE_WEIGHTS[kind][side]  # type: ignore[index]
            assert sum(w for key, w in less.items() if key.channel in channels) == pytest.approx(wanted)
    assert plan_for("text", "both", "auto", DISJOINT) == {SpaceKey("visual", "coarse"): 1.0}
    assert plan_for("audio", "both", "auto", DISJOINT) == {
        SpaceKey("visual", "fine"): SIDE_WEIGHTS["audio"]["visual"],
        SpaceKey("sound", "fine"): 1.0,
    }


@pytest.mark.parametrize(("kind", "match"), [("text", "sound"), ("text", "both")])
def test_words_have_no_plan_where_there_is_nothing_to_compare_them_with(kind: Kind, match: Match) -> None:
    model = {name: spaces for name, spaces in DISJOINT.items() if name != "text" or match == "sound"}
    assert plan_for(kind, match, "auto", model) == {}


@pytest.mark.parametrize(
    "ask",
    [
        lambda searcher: searcher.text("red", Options()),
        lambda searcher: searcher.text("red", Options(space="fine")),
    ],
)
def test_a_bundle_without_text_says_how_to_get_words(
    whole: Bundle, tmp_path: Path, settings: Settings, library: Catalogue, ask: Callable[[Searcher], object]
) -> None:
    mute = Encoders(tiny_bundle.without_text(whole, tmp_path / "mute"))
    assert mute.bundle.modalities == ("video", "image", "audio")
    searcher = Searcher(library, LibraryView(library, mute.bundle.fingerprint, settings.index_dir), mute)
    with pytest.raises(Refused, match="--vocab") as caught:
        ask(searcher)
    assert caught.value.code == "text_unavailable"
