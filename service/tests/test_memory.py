"""What encoders take to work in is given back when they rest, and they compute the same afterwards."""

import json
import subprocess
import sys

import pytest

# A process of its own: an arena is shared by all sessions of one.
PROGRAM = """
import json, re
from pathlib import Path
import numpy as np
from models.bundle import load_bundle
from models.runtime import Encoders
from service.memory import give_back_memory
from service.settings import Settings

def megabytes():
    give_back_memory()
    return int(re.search(r"Anonymous:\\s+(\\d+)", Path("/proc/self/smaps_rollup").read_text())[1]) / 1024

encoders = Encoders(load_bundle(Settings().bundle_path()))
encoders.warm()
inputs = encoders.bundle.inputs
frames = np.random.default_rng(0).integers(
    0, 255, (8, inputs.frames, inputs.frame_height, inputs.frame_width, 3), np.uint8
)
before = megabytes()
idle = encoders.rest()
first = encoders.video(frames).fine
worked = megabytes()
busy, rested = encoders.rest(after_s=3600), encoders.rest()
at_rest = megabytes()
same = np.array_equal(first, encoders.video(frames).fine)
print(json.dumps([before, worked, at_rest, idle, busy, rested, same]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells")
def test_encoders_at_rest_keep_their_weights_alone() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    before, worked, at_rest, idle, busy, rested, same = json.loads(done.stdout)
    assert (idle, busy, rested, same) == (False, False, True, True)
    assert worked > before + 20
    assert at_rest < before + 10
