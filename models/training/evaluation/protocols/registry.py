"""Protocols by name. Each is a module with `run(context) -> Result`, imported when it is asked for."""

from importlib import import_module

from models.training.evaluation.protocols.context import Context
from models.training.evaluation.protocols.result import ProtocolError, Result

NAMES = ("ucf101", "hmdb51", "kinetics600", "esc50", "audioset", "msrvtt", "youcook2", "voc07", "imagenet")


def run_protocol(name: str, context: Context) -> Result:
    """Raises ProtocolError for a name that is not known, for a data set that is not as published; BundleError."""
    if name not in NAMES:
        raise ProtocolError(f"protocol {name!r} is not known; known are footage, {', '.join(NAMES)}")
    if not context.data.is_dir():
        raise ProtocolError(f"{context.data} is not a folder")
    return import_module(f"models.training.evaluation.protocols.{name}").run(context)
