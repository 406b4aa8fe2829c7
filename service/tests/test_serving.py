"""A search sees the old pair of model and index or the new one, never both; and what is not used any more is let go."""

import gc
import shutil
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from service.catalogue import Catalogue
from service.nudges import Nudges
from service.redis_server import EmbeddedRedis
from service.search import Options
from service.serving import Serving, Servings
from service.settings import Settings
from service.tests.stored import segments_of
from service.tests.swapping import Swapping
from service.tests.waiting import wait_for


@pytest.fixture
def home(settings: Settings, library: Catalogue, tiny: Bundle, other: Bundle, tmp_path: Path) -> Swapping:
    return Swapping(settings, library, tiny, other, tmp_path)


def test_every_search_answers_with_one_pair_while_models_and_generations_are_switched(home: Swapping) -> None:
    videos = [home.add(seed) for seed in (1, 2)]
    for video in videos:
        home.take_in(video, home.pool.get(home.new.fingerprint))
    servings = home.servings()
    over = threading.Event()
    seen: set[tuple[int, str, str | None]] = set()

    def look() -> int:
        count = 0
        while not over.is_set():
            serving = servings.current()
            bundle = serving.bundle.fingerprint
            page = serving.searcher.text("red square", Options(limit=100))
            found = home.catalogue.segments([moment.found.segment_id for moment in page.moments])
            assert {segment.bundle for segment in found.values()} == {bundle}
            assert {segment.video_id for segment in found.values()} == {video.id for video in videos}
            seen.add((serving.number, bundle, page.generation))
            count += 1
        return count

    said: set[tuple[int, str, str | None]] = {(1, home.old.fingerprint, None)}
    with ThreadPoolExecutor(3) as pool:
        lookers = [pool.submit(look) for _ in range(3)]
        steps: list[Callable[[], object]] = [
            lambda: home.work(home.requests.rebuild(auto=True)),
            lambda: home.work(home.requests.promote("other", auto=True)),
            lambda: home.requests.roll_back("bundle"),
            lambda: home.requests.roll_back("bundle"),
            lambda: home.work(home.requests.rebuild(auto=True)),
            lambda: home.requests.roll_back("index"),
        ]
        try:
            for step in steps:
                step()
                served = home.served
                said.add((served.number, served.bundle, served.generation))
                assert servings.look()
                wait_for(lambda now=served.number: any(number == now for number, _, _ in seen), 30)  # type: ignore[misc]
        finally:
            over.set()
        assert all(looker.result() > 0 for looker in lookers)
    assert seen == said
    assert len(said) == 7


def test_the_old_model_and_its_index_are_let_go_when_the_last_request_with_them_ends(home: Swapping) -> None:
    home.add(1)
    home.work(home.requests.rebuild(auto=True))
    servings = home.servings()
    held: list[Serving] = [servings.current()]
    generation = held[0].library.current().index.generation
    assert generation is not None
    gone = [weakref.ref(part) for part in (held[0], held[0].encoders, generation)]
    del generation
    home.work(home.requests.promote("other", auto=True))
    assert servings.look()
    gc.disable()  # nothing may have to wait for the collector of cycles
    try:
        assert held[0].searcher.text("red square", Options()).moments  # a request that is still at it
        assert all(part() is not None for part in gone)
        held.clear()
        assert [part() for part in gone] == [None, None, None]
    finally:
        gc.enable()


def test_only_the_number_changes_where_only_what_is_kept_changed(home: Swapping) -> None:
    home.add(1)
    home.work(home.requests.rebuild(auto=True))
    home.work(home.requests.rebuild(auto=True))
    servings = home.servings()
    before = servings.current()
    parent = home.served.parent_generation
    assert parent is not None
    home.catalogue.replace_generation(parent, "00000099-abcdef")
    assert servings.look()
    assert not servings.look()
    after = servings.current()
    assert (after.number, after.library, after.encoders) == (before.number + 1, before.library, before.encoders)


def test_a_process_that_lacks_the_new_model_goes_on_with_the_old_and_follows_later(home: Swapping) -> None:
    home.add(1)
    servings = home.servings()
    away = home.new.path.rename(home.folder / "away")
    home.catalogue.switch_at_once(home.new.fingerprint, home.new.name, "promote")
    assert not servings.look()
    assert servings.behind is not None
    assert "other" in servings.behind
    assert servings.current().bundle.fingerprint == home.old.fingerprint
    shutil.move(away, home.new.path)
    assert servings.look()
    assert (servings.behind, servings.current().number) == (None, 2)


def test_a_generation_that_was_lost_is_searched_from_the_catalogue(home: Swapping) -> None:
    home.add(1)
    before = home.words()
    home.work(home.requests.rebuild(auto=True))
    assert home.served.generation is not None
    shutil.rmtree(home.settings.index_dir / home.served.generation)
    serving = home.servings().current()
    assert serving.library.generation is None
    assert home.words() == before


def test_a_switch_is_followed_within_the_poll_without_any_redis(home: Swapping) -> None:
    settings = home.settings.model_copy(update={"swap_poll_s": 0.05})
    nudges = Nudges(f"unix://{home.settings.home}/nowhere.sock", "x")
    servings = Servings(settings, home.catalogue, home.pool, nudges=nudges)
    servings.start()
    nudges.send()
    home.catalogue.switch_at_once(home.new.fingerprint, home.new.name, "promote")
    wait_for(lambda: servings.current().number == 2, 30)
    servings.close()


def test_a_message_makes_processes_look_at_once(home: Swapping) -> None:
    redis = EmbeddedRedis(home.settings.redis_dir)
    redis.start()
    settings = home.settings.model_copy(update={"swap_poll_s": 60.0})
    servings = Servings(settings, home.catalogue, home.pool, nudges=Nudges(redis.url, "x"))
    servings.start()
    other = Nudges(redis.url, "x")
    home.catalogue.switch_at_once(home.new.fingerprint, home.new.name, "promote")

    def told() -> bool:
        other.send()  # again and again: the other side may not listen yet
        return servings.current().number == 2

    wait_for(told, 30)
    started = time.monotonic()
    servings.close()
    assert time.monotonic() - started < 10  # and not the minute that it would wait
    other.close()
    redis.stop()


def test_what_was_added_and_deleted_while_a_model_is_loaded_is_seen(home: Swapping) -> None:
    first, second = home.add(1), home.add(2)
    servings = home.servings()
    home.work(home.requests.rebuild(auto=True))
    home.catalogue.delete_video(first.id)
    late = home.add(3)
    assert servings.look()
    view = servings.current().library.current()
    wanted = {s.id for v in (second, late) for s in segments_of(home.catalogue, v.id, home.old.fingerprint)}
    assert set(view.segments.ids.tolist()) == wanted == set(view.index.ids().tolist())
    assert np.isin(view.sample, view.segments.ids).all()
