"""The three networks that DeepMind published with the paper: their sizes, their files, where those are."""

import dataclasses
from dataclasses import dataclass

from models.networks.mmv import MMVConfig
from models.networks.preact_resnet import resnet_config
from models.networks.s3d import S3DConfig

BUCKET = "https://storage.googleapis.com/deepmind-research-mmv"
LICENCE = "CC-BY-NC-4.0"  # of the weights


@dataclass(frozen=True)
class Published:
    """A published network. Its 65,536 word vectors have 300 dimensions and are in the checkpoint; its words are not."""

    arch: str
    network: MMVConfig
    file: str

    @property
    def url(self) -> str:
        return f"{BUCKET}/{self.file}"


def _published(arch: str, file: str, video: object) -> Published:
    audio = resnet_config(50)
    network = dataclasses.replace(MMVConfig(), video=video, audio=audio, instance_dim=0)  # type: ignore[arg-type]
    return Published(arch, network, file)


ARCHS = {
    p.arch: p
    for p in (
        _published("s3d", "mmv_s3d.pkl", S3DConfig()),
        _published("tsm-resnet50", "mmv_tsm_resnet_x1.pkl", resnet_config(50)),
        _published("tsm-resnet50x2", "mmv_tsm_resnet_x2.pkl", resnet_config(50, width=2)),
    )
}
WORD_TABLE = (65_536, 300)
