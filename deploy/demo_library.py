"""Choose the demo library out of a footage set, and copy it into the package.

    mmv-search footage --out SET --clips 150 --seed 5001 --maps test --crf 31 --audio-kbps 48
    python deploy/demo_library.py SET service/demo/library

The clips are of maps that no shipped network was trained on. The first 120 of at most 110 kB are taken. Titles say only
where a clip is from: what is in it is for the search to find.
"""

import argparse
import json
import shutil
from pathlib import Path

from models.training.data.manifest import read_manifest

CLIPS, LARGEST_BYTES, TOTAL_BYTES = 120, 110_000, 12_000_000
LICENCE = """The clips in this folder were rendered from Freedoom (https://freedoom.github.io), whose art and sounds
are Copyright (c) 2001-2024 Contributors to the Freedoom project, under the three-clause BSD licence: see NOTICE at
the root of the project. They were made with `mmv-search footage`; deploy/demo_library.py says how.
"""


def main() -> None:
    """Copy the clips, write manifest.jsonl and the licence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("footage", type=Path)
    parser.add_argument("library", type=Path)
    args = parser.parse_args()
    clips = [c for c in read_manifest(args.footage / "manifest.jsonl") if size(args.footage / c.file) <= LARGEST_BYTES]
    chosen = clips[:CLIPS]
    total = sum(size(args.footage / c.file) for c in chosen)
    if len(chosen) < CLIPS or total > TOTAL_BYTES:
        wanted = f"{CLIPS} of at most {TOTAL_BYTES / 1e6:.0f} MB"
        raise SystemExit(f"the set has {len(chosen)} clips of {total / 1e6:.1f} MB that fit; wanted are {wanted}")
    shutil.rmtree(args.library, ignore_errors=True)
    args.library.mkdir(parents=True)
    rows = []
    for number, clip in enumerate(chosen, 1):
        name = Path(clip.file).name
        shutil.copyfile(args.footage / clip.file, args.library / name)
        level = clip.map.partition(":")[2]
        rows.append({"file": name, "title": f"Freedoom {level}, clip {number}", "tags": [level.lower()]})
    (args.library / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (args.library / "LICENSE.txt").write_text(LICENCE)


def size(path: Path) -> int:
    """Bytes of a file."""
    return path.stat().st_size


if __name__ == "__main__":
    main()
