"""Preprocessing as published: cases computed by hand, and a slow version pixel by pixel to compare with."""

import math

import numpy as np
import pytest

from models.preprocess import published
from models.preprocess.published import centre_crop, resize_and_crop, resize_smaller_side, to_unit, window_indices


def picture(rows: list[list[int]]) -> np.ndarray:
    """Rows of grey levels as uint8 [H, W, 3], the channels told apart by their order."""
    grey = np.array(rows, np.uint8)
    return np.stack([grey, grey[:, ::-1], 255 - grey], axis=2)


def resized_slowly(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear with half-pixel centres, a channel of a pixel at a time, in float32 throughout."""
    half = np.float32(0.5)
    rows, columns, _ = frame.shape
    out = np.empty((height, width, 3), np.uint8)
    for y, x, c in np.ndindex(height, width, 3):
        at_y = (np.float32(y) + half) * (np.float32(rows) / np.float32(height)) - half
        at_x = (np.float32(x) + half) * (np.float32(columns) / np.float32(width)) - half
        y0, x0 = math.floor(at_y), math.floor(at_x)
        dy, dx = at_y - np.float32(y0), at_x - np.float32(x0)
        corner = {
            (i, j): np.float32(frame[min(max(y0 + i, 0), rows - 1), min(max(x0 + j, 0), columns - 1), c])
            for i in (0, 1)
            for j in (0, 1)
        }
        top = corner[0, 0] + (corner[0, 1] - corner[0, 0]) * dx
        bottom = corner[1, 0] + (corner[1, 1] - corner[1, 0]) * dx
        out[y, x, c] = int(top + (bottom - top) * dy)
    return out


def test_half_a_picture_is_the_mean_of_four_pixels_cut_to_a_whole_number() -> None:
    frame = picture([[0, 4, 100, 200], [8, 12, 100, 200], [1, 2, 255, 254], [1, 2, 255, 255]])
    small = resize_smaller_side(frame, 2)
    # (0 + 4 + 8 + 12) / 4, (100 + 200) / 2, 1.5 and 254.75
    assert small[..., 0].tolist() == [[6, 150], [1, 254]]
    assert small[..., 1].tolist() == [[150, 6], [254, 1]]
    assert small[..., 2].tolist() == [[249, 105], [253, 0]]  # of 255 - grey: 253.5 and 0.25


def test_a_larger_picture_holds_its_edges() -> None:
    # Places lie at -1/6, 1/2 and 7/6 of 0..1: the ends are the pixels themselves, the middle is their mean.
    large = resize_smaller_side(picture([[10, 21], [30, 41]]), 3)
    assert large[..., 0].tolist() == [[10, 15, 21], [20, 25, 31], [30, 35, 41]]


def test_nothing_is_averaged_beyond_two_neighbours() -> None:
    # 9 -> 3: the centres are pixels 1, 4 and 7, whatever lies between.
    row = [255, 10, 255, 255, 20, 255, 255, 30, 255]
    assert resize_smaller_side(picture([row] * 9), 3)[0, :, 0].tolist() == [10, 20, 30]


def test_odd_sizes_fall_between_pixels() -> None:
    # 5 -> 2: centres at 0.75 and 3.25.
    assert resize_smaller_side(picture([[0, 40, 80, 120, 160]] * 5), 2)[0, :, 0].tolist() == [30, 130]


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((240, 320), 224, (224, 298)),  # 320 * 224 // 240 = 298.67
        ((320, 240), 224, (298, 224)),
        ((1080, 1920), 224, (224, 398)),
        ((333, 500), 224, (224, 336)),
        ((224, 224), 224, (224, 224)),
        ((7, 3), 5, (11, 5)),
        ((100, 101), 50, (50, 50)),
        ((1, 9), 4, (4, 36)),
    ],
)
def test_the_smaller_side_fits_and_the_other_is_rounded_down(
    size: tuple[int, int], side: int, expected: tuple[int, int]
) -> None:
    # As the reference writes it: each side is the larger of `side` and what keeps the shape.
    h, w = size
    assert expected == (max(side, h * side // w), max(side, w * side // h))
    assert resize_smaller_side(np.zeros((*size, 3), np.uint8), side).shape == (*expected, 3)


@pytest.mark.parametrize(("size", "side"), [((37, 53), 24), ((53, 37), 24), ((20, 31), 33), ((48, 64), 32)])
def test_random_pictures_equal_the_slow_version(size: tuple[int, int], side: int) -> None:
    frame = np.random.default_rng(side).integers(0, 256, (*size, 3), dtype=np.uint8)
    fast = resize_smaller_side(frame, side)
    assert fast.dtype == np.uint8
    assert np.array_equal(fast, resized_slowly(frame, *fast.shape[:2]))


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (24, 31, 3), dtype=np.uint8)
    assert np.array_equal(resize_smaller_side(frame, 24), frame)


def test_the_crop_is_central_and_an_odd_rest_is_cut_at_the_end() -> None:
    frames = np.broadcast_to(np.arange(7, dtype=np.uint8)[None, None, :, None], (2, 4, 7, 3))
    cut = centre_crop(frames, 4)
    assert cut.shape == (2, 4, 4, 3)
    assert cut[0, 0, :, 0].tolist() == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="4x7"):
        centre_crop(frames, 5)


@pytest.mark.parametrize("size", [(37, 54), (55, 37), (24, 24), (10, 90), (24, 25)])
def test_resizing_and_cropping_at_once_gives_the_same_pixels(size: tuple[int, int]) -> None:
    frame = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert np.array_equal(resize_and_crop(frame, 24, 24), centre_crop(resize_smaller_side(frame, 24), 24))


@pytest.mark.parametrize("size", [(37, 54), (55, 37), (20, 90), (90, 20)])
def test_frames_that_are_not_square_are_covered_too(size: tuple[int, int]) -> None:
    frame = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    scale = max(24 / size[0], 32 / size[1])
    full = (max(24, int(size[0] * scale + 1e-9)), max(32, int(size[1] * scale + 1e-9)))
    top, left = (full[0] - 24) // 2, (full[1] - 32) // 2
    wanted = resized_slowly(frame, *full)[top : top + 24, left : left + 32]
    assert np.array_equal(resize_and_crop(frame, 24, 32), wanted)


def test_levels_become_zero_to_one() -> None:
    unit = to_unit(np.array([0, 51, 255], np.uint8))
    assert unit.dtype == np.float32
    assert unit.tolist() == [0, np.float32(51) / np.float32(255), 1]


def test_test_windows_are_spread_over_the_film() -> None:
    # 154 frames leave 90 to start in: every tenth. 100 leave 36: every fourth. 74 leave 10: 10 i / 9, cut.
    assert published.evaluation_window_starts(154) == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert published.evaluation_window_starts(100) == [0, 4, 8, 12, 16, 20, 24, 28, 32, 36]
    assert published.evaluation_window_starts(74) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert published.evaluation_window_starts(64) == published.evaluation_window_starts(3) == [0] * 10
    assert published.evaluation_window_starts(500, windows=1) == [0]
    assert published.evaluation_window_starts(20, frames=4, stride=3, windows=3) == [0, 4, 8]
    for length in range(64, 501):
        starts = published.evaluation_window_starts(length)
        exact = [i * (length - 64) / 9 for i in range(10)]
        assert all(abs(start - at) < 1 + 1e-4 and start <= at + 1e-4 for start, at in zip(starts, exact, strict=True))
        assert starts[-1] == length - 64


def test_a_window_takes_every_other_frame_and_goes_round() -> None:
    assert window_indices(5, 100, frames=4, stride=2).tolist() == [5, 7, 9, 11]
    assert window_indices(3, 5, frames=6, stride=2).tolist() == [3, 0, 2, 4, 1, 3]
    assert window_indices(0, 1).tolist() == [0] * 32
    assert window_indices(90, 154).max() == 152


def test_a_film_of_no_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="no frames"):
        window_indices(0, 0)
    with pytest.raises(ValueError, match="0 frames"):
        published.evaluation_window_starts(0)
