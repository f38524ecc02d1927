"""`wavesweep draw`: the pictures of a run again."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hydra_queue_sweeper.base.errors import Refused, relative
from hydra_queue_sweeper.base.terminal import say
from wavesweep.cli.arguments import Flags
from wavesweep.cli.output import check_free, write
from wavesweep.workspace.directory import RunDirectory
from wavesweep.workspace.index import find

FORMATS = ("png", "svg", "pdf")
LEAST_DPI, MOST_DPI = 10, 1200


def run(arguments: list[str]) -> int:
    """Draw the pictures of a run from what it has left; return the exit code."""
    parser = Flags("draw")
    parser.add_argument("place", metavar="RUN")
    parser.add_argument("--style")
    parser.add_argument("--dpi", type=int)
    parser.add_argument("--format", choices=FORMATS, default="png")
    parser.add_argument("--output")
    flags = parser.parse_intermixed_args(arguments)
    directory = find(flags.place, "run")
    if not isinstance(directory, RunDirectory):
        raise Refused(f"{flags.place} must be a run's directory, or latest, but holds no run.json; name another")
    shown = directory.all_shown()
    if not shown:
        raise Refused(f"{relative(directory.path)} has left nothing that a picture could show; name another")
    if flags.dpi is not None and not LEAST_DPI <= flags.dpi <= MOST_DPI:
        raise Refused(f"--dpi must be between {LEAST_DPI} and {MOST_DPI}, got {flags.dpi}; change it")
    folder = directory.plots if flags.output is None else Path(flags.output)
    pictures = {path: folder / f"{path.stem}.{flags.format}" for path in shown}
    if flags.output is not None:
        check_free(pictures.values())

    from wavesweep.drawing.drawer import draw, styled  # imports matplotlib

    with styled(flags.style, flags.dpi):
        folder.mkdir(parents=True, exist_ok=True)
        for path, picture in pictures.items():
            if flags.output is None:
                draw(path, picture)
            else:
                _draw_new(path, picture)
    say(f"{len(pictures)} pictures: {relative(folder)}")
    return 0


def _draw_new(path: Path, picture: Path) -> None:
    """Draw a picture where none is."""
    from wavesweep.drawing.drawer import draw  # imports matplotlib

    with TemporaryDirectory(dir=picture.parent, prefix=".") as folder:
        drawn = Path(folder, picture.name)
        draw(path, drawn)
        write(picture, drawn.read_bytes())
