"""The pages of docs/ that are programs: they run, and print what they say."""

import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from tests.support.commands import call

DOCS = Path(__file__).parents[1] / "docs"
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]\d+)?|-?\d+e[-+]\d+")


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the programs of a page, in order: language, text, and the output shown after it."""
    fences = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for (language, text), (following, output) in zip(fences, [*fences[1:], ("", "")], strict=True):
        if language != "text":
            yield language, text, output if following == "text" else ""


def run_python(program: str, notebook: dict[str, Any]) -> str:
    """Run a cell of a notebook; return what it prints."""
    with redirect_stdout(printed := StringIO()):
        exec(compile(program, "a cell", "exec"), notebook)  # noqa: S102
    return printed.getvalue()


def is_as_shown(printed: str, shown: str) -> bool:
    """Say whether words are the same, and numbers nearly: these differ in their last digits between machines."""
    same_words = NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split()
    pairs = zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=False)
    return same_words and all(float(one) == pytest.approx(float(other), rel=0.1) for one, other in pairs)


@pytest.mark.slow
def test_the_notebook_runs_and_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")  # no window
    notebook: dict[str, Any] = {}
    for language, program, shown in blocks(DOCS / "python.md"):
        if language == "python":
            printed = run_python(program, notebook)
            assert is_as_shown(printed, shown), f"{program}\nprints\n{printed}\nnot\n{shown}"
        else:
            name, *arguments = shlex.split(program)
            assert (language, name) == ("shell", "wavesweep")
            in_one_process = "hydra/launcher=basic"  # that has imported all already
            assert call(*arguments, in_one_process, cwd=tmp_path).returncode == 0
    notebook["plt"].close("all")
    assert {path.name for path in tmp_path.iterdir()} == {"outputs", "forecast.png"}
