"""The licence of the published weights, which whoever downloads them has to accept first."""

import sys

import typer
from rich.console import Console

NAME = "CC BY-NC 4.0"
URL = "https://creativecommons.org/licenses/by-nc/4.0/"
ATTRIBUTION = (
    '"Self-Supervised MultiModal Versatile Networks", Alayrac, Recasens, Schneider, Arandjelovic, Ramapuram, De Fauw, '
    "Smaira, Dieleman, Zisserman (DeepMind), NeurIPS 2020, arXiv 2006.16228"
)
TEXT = f"""The weights are DeepMind's, under the Creative Commons licence Attribution-NonCommercial 4.0 ({NAME}):
{URL}
* Not for commercial use: neither the weights nor what you make of them, such as a bundle, may be used primarily for
  commercial advantage or money.
* Attribution: whoever you pass them or a bundle of them on to must be told where they come from:
  {ATTRIBUTION};
  the licence and its address; and that they were changed (a bundle is a conversion).
* No endorsement: do not suggest that DeepMind supports you or your use.
* No warranty: they come as they are.
The text of the licence at the address above is what counts. This program's own licence (Apache 2.0) is another one.
"""


class LicenceNotAccepted(Exception):
    """The licence was declined, or there was nobody to ask; the message says what to do."""


def confirm_licence(accepted: bool, console: Console) -> None:
    """Return when the licence of the published weights is accepted.

    `accepted` is that of `--accept-licence`: nothing is asked then, and one line recalls what was accepted. Else the
    text is shown and a yes asked for, which only a person at a terminal can give. Raises LicenceNotAccepted.
    """
    if accepted:
        console.print(f"Licence of the weights, accepted: {NAME}, not for commercial use ({URL})", soft_wrap=True)
        return
    console.print(TEXT, markup=False, highlight=False, soft_wrap=True)
    if not (sys.stdin.isatty() and console.is_terminal):
        raise LicenceNotAccepted(
            f"The weights are under {NAME}, which you have to accept, and there is no terminal to ask you at. "
            "If you accept it, run the command again with --accept-licence."
        )
    try:
        agreed = typer.confirm("Do you accept this licence?", default=False, err=console.stderr)
    except typer.Abort:  # ctrl-C, ctrl-D
        agreed = False
    if not agreed:
        raise LicenceNotAccepted("The licence was not accepted, so nothing was downloaded.")
