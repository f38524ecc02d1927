"""Errors of Hydra, OmegaConf and YAML in this project's words: the rule, the value, the way out."""

import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from wavesweep.base.errors import in_one_line, suggestion
from wavesweep.config.groups import groups, options, read_option

_SAYINGS = {
    r"Ambiguous value for argument '(.+)'": "{0} gives one run several values; add -m to sweep over them, or "
    "brackets for a list",
    r"Sweep parameters '(.+)' requires --multirun": "{0} is a sweep, which needs -m",
    r"Additional config directory '(.+)' not found": "--config-dir must be a directory, got {0}",
    r"Cannot find primary config '(.+?)'": "--config-name={0} is no file of conf/ or --config-dir; leave it out",
    r"Primary config (?:module|directory) '?(.+?)'? ?not found": "--config-path={0} is not there; "
    "--config-dir adds a folder of options",
    r"provider=hydra.searchpath in .*, path=(.+) is not available": "hydra.searchpath must name "
    "directories, got {0}, which is not there; leave it out",
    r"Incompatible key type '(.+)'": "a key of an option must be text, got {0}; leave it out",
    r"The --resolve flag": "--resolve needs --cfg or --help",
    r"Only one of --run, (.+) can be specified": "--run, {0} exclude each other; choose one",
    r"Missing mandatory value: (.+)": "{key} is missing; give it a value",
    r"Interpolation key '(.+)' not found": "{key} refers to ${{{0}}}, which is not a key of this configuration",
    r"Could not append to config. An item is already at '(.+)'": "{0} has a value already; leave out the +",
    r"(.+) appears more than once in the final defaults list": "{0} is chosen twice in the defaults lists; write "
    "override before it in the later one",
}
"""Patterns of Hydra's texts, each with ours."""


def explain(error: Exception, arguments: list[str]) -> str:
    """Return in one line why Hydra can't compose a command line.

    Args:
        error: What Hydra raised.
        arguments: Of the command line, which its text doesn't always name.
    """
    text = (str(error).strip() or str(error.__cause__ or error.__context__ or "")).partition("\n")[0]
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override or "")
    if isinstance(error, MissingConfigException) and "/" in str(error.missing_cfg_file):
        return _missing_option(str(error.missing_cfg_file), error.options or [], arguments)
    if isinstance(error, OSError) and error.filename:
        said = in_one_line(error)
        return said if ";" in said else f"{said}; name another"
    if isinstance(error, YAMLError):
        return _broken_yaml(error)
    if isinstance(error, UnicodeDecodeError):
        return f"a YAML file must be text in UTF-8, got byte 0x{error.object[error.start]:02x} at {error.start}"
    if isinstance(error, TypeError | ValueError) and (choice := _no_choice(arguments)):
        return choice
    if match := re.match(r"Could not (override|delete) .*?'([^']+)'", text):
        return _wrong_key(match[2], to_delete=match[1] == "delete")
    if match := re.match("Error merging override (.+)", text):
        return f"{match[1]} is not a value that Hydra takes there ({str(error.__cause__).partition(chr(10))[0]})"
    key = getattr(error, "full_key", None) or ""
    for pattern, saying in _SAYINGS.items():
        if match := re.match(pattern, text):
            return saying.format(*match.groups(), key=key)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return f"{key}: {text}" if key else text
    return f"{type(error).__name__}: {text}; HYDRA_FULL_ERROR=1 shows where"


def _unreadable(override: str) -> str:
    if override.startswith(("=", "+=")):
        return f"{override} can't be read as an override; put a key before the ="
    if "=" in override or override.startswith("~"):
        return f"{override} can't be read as an override; quote values with special characters"
    return f"{override or 'an empty argument'} is neither KEY=VALUE nor a command, such as ui"


def _missing_option(file: str, there: Sequence[str], arguments: list[str]) -> str:
    group = next((group for group in groups() if file.startswith(f"{group}/")), file.rpartition("/")[0])
    option = file.removeprefix(f"{group}/")
    other, _, name = option.partition("/")
    if other in groups() and f"{group}={option}" not in arguments:
        return f"a defaults list names {file}, which is not there; did you mean override /{other}: {name}?"
    way_out = suggestion(option, {*options(group), *there})
    if group == "dataset" and option.lower().endswith((".csv", ".csv.gz", ".parquet")):
        way_out = f"for a file, give dataset=csv dataset.path={option}"
    return f"{group}={option} is not an option; {way_out}"


def _no_choice(arguments: list[str]) -> str:
    """Return an objection to an override that chooses no option of a group; empty if there is none."""
    for argument in arguments:
        group, equals, value = argument.lstrip("+").partition("=")
        if not group:
            return _unreadable(argument)
        if equals and group in groups():
            chosen = OverridesParser.create().parse_override(argument).value()
            names = chosen if isinstance(chosen, list) else [chosen]
            if not all(isinstance(name, str) for name in names):
                return f"{group} must be one of its options, got {value}; {suggestion('', options(group))}"
    return ""


def _broken_yaml(error: YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
    place = f"{mark.name}, row {mark.line + 1}, column {mark.column + 1}" if mark else "a YAML file"
    return f"{place}: can't be read as YAML ({problem}); correct it"


def _wrong_key(key: str, *, to_delete: bool) -> str:
    from wavesweep.config.config import Config
    from wavesweep.config.objections import keys_of

    known = keys_of(Config)
    part, (group, _, name) = key.partition(".")[0], key.rpartition(".")
    if key in known and to_delete:
        return f"{key} can't be left out; give it a value"
    if key in known:
        owners = [one for one in options(part) if part == "dataset" and name in read_option(part, one)]
        other = f"choose {part}={owners[0]}" if len(owners) == 1 else "choose another"
        return f"{key} is not a key of the {part} chosen here; leave it out, or {other}"
    if key == "hydra.sweeper.params":
        return f"{key} belongs into a configuration; on the command line, type its dimensions themselves"
    if part == "hydra":
        return f"{key} is not a key of Hydra's; wavesweep --cfg hydra shows them"
    siblings = [other.rpartition(".")[2] for other in known if other.rpartition(".")[0] == group]
    if group and siblings:
        return f"{key} is not a key of this configuration; {suggestion(name, siblings, [group])}"
    top = {other for other in known if "." not in other} | set(groups())
    return f"{key} is not a key of this configuration; {suggestion(part, top)}"
