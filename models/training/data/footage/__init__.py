"""Renders short clips of the free game Freedoom, with sound, verified event labels and timed narrations."""
