"""Drives the game engine (ViZDoom): starts maps, moves the player, records pictures, sound and labels tic by tic.

A tic is 1/35 s. At 44,100 Hz that is exactly 1,260 samples, so sound and picture stay in step by construction.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import importlib
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from models.training.data.footage.wad import GameMap, Wad

TICS_PER_SECOND = 35
SAMPLE_RATE = 44_100
SAMPLES_PER_TIC = SAMPLE_RATE // TICS_PER_SECOND
WIDTH, HEIGHT = 256, 192
FIELD_OF_VIEW = 90.0  # degrees across the picture's width

# The engine runs as a child process and would outlive a killed parent. Its stub asks the kernel to end it with its
# parent (PR_SET_PDEATHSIG = 1, SIGKILL = 9; the setting survives exec). On other systems it just starts the engine.
_STUB = """import ctypes, os, sys
parent, engine = int(sys.argv[1]), sys.argv[2]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
    if os.getppid() != parent:
        sys.exit(1)
os.execv(engine, [engine, *sys.argv[3:]])
"""


class EngineMissing(Exception):
    """ViZDoom or a system library that it needs is not installed; the message says what to install."""


class EngineStopped(Exception):
    """The engine ended or refused a command; the studio must be opened anew."""


def load_engine() -> Any:
    """The vizdoom module. Raises EngineMissing with one line that says what to install."""
    # With no sound card the default backend fails; "null" still mixes into the buffer that we record.
    os.environ.setdefault("ALSOFT_DRIVERS", "null")
    try:
        return importlib.import_module("vizdoom")
    except ModuleNotFoundError as error:
        if error.name != "vizdoom":
            raise
        raise EngineMissing(
            "the game engine is missing: pip install 'vizdoom>=1.3,<2' (the extra mmv-search[train])"
        ) from error
    except ImportError as error:
        raise EngineMissing(_missing_library(str(error))) from error


def _missing_library(reason: str) -> str:
    return f"the game engine does not load ({reason}): on Debian or Ubuntu, apt-get install libopenal1"


def check_engine() -> None:
    """Raises EngineMissing unless the engine and its sound library are there."""
    load_engine()
    if ctypes.util.find_library("openal") is None:
        raise EngineMissing(_missing_library("libopenal is not installed"))


def wad_path(game: str) -> Path:
    """The game's data file, which vizdoom carries."""
    return Path(load_engine().__file__).parent / f"{game}.wad"


@dataclass(frozen=True, slots=True)
class Seen:
    """A thing in the picture: its class, the area of its bounding box in pixels, the box's middle from the left."""

    name: str
    area: int
    x: float


@dataclass(slots=True)
class Tic:
    """1/35 s of recording: picture uint8 [H,W,3], sound int16 [1260,2], what is seen, the game's message, where
    the player stands [2], at what height and angle (degrees)."""

    picture: np.ndarray
    sound: np.ndarray
    seen: list[Seen]
    message: str
    position: np.ndarray
    height: float
    angle: float


@dataclass
class Move:
    """What the player does in one tic; `turn` and `look` (positive: down) in degrees."""

    attack: bool = False
    use: bool = False
    run: bool = False
    forward: bool = False
    backward: bool = False
    left: bool = False
    right: bool = False
    turn: float = 0.0
    look: float = 0.0

    def as_list(self) -> list[float]:
        keys = (self.attack, self.use, self.run, self.forward, self.backward, self.left, self.right)
        return [float(k) for k in keys] + [self.turn, -self.look]  # the engine's "look" goes up


@dataclass
class Studio:
    """One running engine with one game. Use as a context manager. Raises EngineMissing.

    `network`: start as a network game of one, in which the world goes on when the player dies.
    """

    game: str
    network: bool = False
    tape: list[Tic] = field(default_factory=list)
    recording: bool = False

    def __post_init__(self) -> None:
        check_engine()
        self.vzd = load_engine()
        self.wad = Wad(wad_path(self.game))
        self._maps: dict[str, GameMap] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="mmv-footage-")
        self._engine = self.vzd.DoomGame()
        try:
            self._configure()
            self._engine.init()
        except self.vzd.ViZDoomErrorException as error:
            raise EngineMissing(_missing_library(str(error).splitlines()[0])) from error

    def _configure(self) -> None:
        vzd, engine = self.vzd, self._engine
        engine.set_vizdoom_path(str(self._launcher()))
        engine.set_doom_game_path(str(wad_path(self.game)))
        engine.set_doom_config_path(
            os.devnull
        )  # built-in settings, whatever this machine has; the engine writes it at its end
        engine.set_window_visible(False)
        engine.set_screen_resolution(vzd.ScreenResolution.RES_256X192)
        engine.set_screen_format(vzd.ScreenFormat.RGB24)
        engine.set_audio_buffer_enabled(True)
        engine.set_audio_sampling_rate(vzd.SamplingRate.SR_44100)
        engine.set_audio_buffer_size(1)
        engine.set_labels_buffer_enabled(True)
        engine.set_notifications_buffer_enabled(True)
        engine.set_render_hud(False)
        engine.set_render_crosshair(False)
        engine.set_render_weapon(True)
        engine.set_render_decals(True)
        engine.set_render_particles(True)
        engine.set_render_corpses(True)
        b, v = vzd.Button, vzd.GameVariable
        keys = [b.ATTACK, b.USE, b.SPEED, b.MOVE_FORWARD, b.MOVE_BACKWARD, b.MOVE_LEFT, b.MOVE_RIGHT]
        engine.set_available_buttons([*keys, b.TURN_LEFT_RIGHT_DELTA, b.LOOK_UP_DOWN_DELTA])
        engine.set_available_game_variables([v.POSITION_X, v.POSITION_Y, v.POSITION_Z, v.ANGLE])
        # snd_efx 0: Debian's OpenAL aborts with effects on. -nomonsters: only those that a scene summons.
        engine.add_game_args("+snd_efx 0 +snd_musicvolume 0 +show_obituaries 0 +cl_showsecretmessage 0 +con_midtime 0")
        # r_drawfuzz 0: half invisible things are see-through; their shimmer would depend on what was drawn before.
        engine.add_game_args("-nomonsters +freelook 1 +r_drawfuzz 0")
        if self.network:
            engine.add_game_args("-host 1 +sv_cheats 1 +sb_deathmatch_enable 0 +sb_cooperative_enable 0")
        engine.set_doom_skill(3)
        engine.set_mode(vzd.Mode.PLAYER)
        engine.set_episode_timeout(0)
        engine.set_seed(0)
        engine.set_doom_map(self.wad.maps[0])

    def _launcher(self) -> Path:
        """A script that starts the engine through the stub above."""
        folder = Path(self._folder.name)
        (folder / "stub.py").write_text(_STUB)
        engine = Path(self.vzd.__file__).parent / "vizdoom"
        launcher = folder / "engine.sh"
        # From its own folder: the engine keeps caches of maps where it is started.
        launcher.write_text(
            f'#!/bin/sh\ncd "{folder}"\nexec "{sys.executable}" -IS "{folder}/stub.py" {os.getpid()} "{engine}" "$@"\n'
        )
        launcher.chmod(0o700)
        return launcher

    def close(self) -> None:
        # An engine that has died cannot be closed in order; there is nothing left of it to end.
        with contextlib.suppress(Exception):
            self._engine.close()
        self._folder.cleanup()

    def __enter__(self) -> Studio:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def map(self, name: str) -> GameMap:
        if name not in self._maps:
            self._maps[name] = self.wad.load(name)
        return self._maps[name]

    def begin(self, map_name: str, seed: int, *, keys: bool = True) -> None:
        """Start the map afresh. Never new_episode after set_doom_map, which has started one already."""
        self.tape, self.recording = [], False
        self.show_flashes(True)
        self._engine.set_seed(seed)
        self._engine.set_doom_map(map_name)
        if keys:
            self.command("give keys")
        self.command("god")

    def show_flashes(self, on: bool) -> None:
        """Whether hits and items tint the picture. A bad hit's red would hide everything for seconds."""
        self._engine.set_render_screen_flashes(on)

    def command(self, text: str) -> None:
        self._engine.send_game_command(text)

    def _variable(self, name: str) -> float:
        return float(self._engine.get_game_variable(getattr(self.vzd.GameVariable, name)))

    @property
    def position(self) -> np.ndarray:
        return np.array([self._variable("POSITION_X"), self._variable("POSITION_Y")])

    @property
    def angle(self) -> float:
        return self._variable("ANGLE")

    @property
    def ammo(self) -> float:
        return self._variable("SELECTED_WEAPON_AMMO")

    @property
    def dead(self) -> bool:
        return self._variable("DEAD") > 0

    def step(self, move: Move | None = None) -> bool:
        """Play one tic; False when the episode is over (the player died, or left the map)."""
        if self._engine.is_episode_finished():
            return False
        try:
            self._engine.make_action((move or Move()).as_list(), 1)
            state = self._engine.get_state()
        except (self.vzd.ViZDoomErrorException, self.vzd.ViZDoomUnexpectedExitException) as error:
            raise EngineStopped(str(error)) from error
        if state is None:
            return False
        if self.recording:
            x, y, z, angle = state.game_variables
            seen = [Seen(s.object_name, int(s.width * s.height), s.x + s.width / 2) for s in state.labels]
            self.tape.append(
                Tic(
                    state.screen_buffer,
                    state.audio_buffer,
                    seen,
                    state.notifications_buffer or "",
                    np.array([x, y]),
                    float(z),
                    float(angle),
                )
            )
        return True

    def wait(self, tics: int) -> None:
        for _ in range(tics):
            self.step()

    def face(self, angle: float) -> None:
        self.step(Move(turn=(self.angle - angle + 180) % 360 - 180))

    def warp(self, point: np.ndarray, angle: float) -> bool:
        """Put the player at `point`, looking at `angle`; False when something is in the way."""
        self.command(f"warp {round(float(point[0]))} {round(float(point[1]))}")
        self.wait(2)
        self.face(angle)
        return float(np.hypot(*(self.position - point))) < 24

    def take_weapon(self, name: str, *, ammo: bool = True) -> None:
        """Give and raise a weapon, with all the ammo one can carry if `ammo`; takes 36 tics, unrecorded."""
        if name not in ("Fist", "Pistol"):
            self.command(f"give {name}")
        if ammo:
            self.command("give ammo")
        self.command(f"use {name}")
        self._engine.set_action(Move().as_list())
        self._engine.advance_action(36)
