"""The instructions of the Dockerfile."""

import re
import shlex

from tests.support import ROOT


def _stages() -> list[list[tuple[str, str]]]:
    """The instructions with their arguments, by stage."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M).replace("\\\n", " ")
    stages: list[list[tuple[str, str]]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            stages.append([])
        stages[-1].append((instruction, rest))
    return stages


BUILD, FINAL = _stages()


def arguments(stage: list[tuple[str, str]], instruction: str) -> list[str]:
    """The arguments of each such instruction of a stage."""
    return [rest for name, rest in stage if name == instruction]


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in arguments(FINAL, "ENV") for pair in shlex.split(line))
