"""Why Hydra can't compose a configuration, in this project's words: the key, the rule, the value, the way out.

Hydra's parser and the attributes of its exceptions tell it; their texts, which change with Hydra's releases, are shown
only where nothing else is known.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString, ValueType
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import YAMLError

from hydra_queue_sweeper.base.errors import Refused, in_one_line, in_short, suggestion
from hydra_queue_sweeper.base.overrides import key_of
from wavesweep.config.groups import groups, known_keys, options, read_option


def read_overrides(overrides: Iterable[str]) -> list[Override]:
    """Read overrides in Hydra's grammar, before Hydra composes a configuration with them.

    Raises:
        Refused: With the first that is wrong whatever the configuration holds.
    """
    parsed = [_read(text) for text in overrides]
    for override in parsed:
        group = override.key_or_group
        if override.is_sweep_override() and override.is_hydra_override():
            raise Refused(
                f"{override.input_line} gives a key of Hydra's several values; give it one, or brackets for a list"
            )
        if group in groups() and not override.is_delete() and not _may_choose(override.value()):
            value = override.get_value_string()
            raise Refused(f"{group} must be one of its options, got {value}; {suggestion('', options(group))}")
        if group in groups() and str(override.value()).startswith("../"):  # of which Hydra 1.4 says more than its name
            raise Refused(f"{override.input_line} is not an option; {suggestion('', options(group))}")
    return parsed


def _read(text: str) -> Override:
    try:
        [override] = OverridesParser.create().parse_overrides([text])
    except OverrideParseException:
        raise Refused(_unreadable(text)) from None
    if not override.key_or_group:
        raise Refused(_unreadable(text))
    return override


def _may_choose(value: Any) -> bool:
    """Say whether a value may name options of a group, or change values within it, as a mapping does."""
    if isinstance(value, ChoiceSweep):
        return all(_may_choose(one) for one in value.list)
    if isinstance(value, list):
        return all(isinstance(name, str) for name in value)
    return isinstance(value, str | QuotedString | dict | Glob)


def explain(error: Exception, overrides: Sequence[str]) -> str:
    """Return in one line why a configuration can't be composed.

    Args:
        error: What Hydra or OmegaConf raised.
        overrides: That the configuration was to be composed with.
    """
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override)
    if isinstance(error, MissingConfigException) and "/" in str(error.missing_cfg_file):
        return _missing_option(str(error.missing_cfg_file), error.options or [], overrides)
    if isinstance(error, OSError) and error.filename:
        said = in_one_line(error)
        return said if ";" in said else f"{said}; name another"
    if isinstance(error, YAMLError):
        return _broken_yaml(error)
    if isinstance(error, UnicodeDecodeError):
        return f"a YAML file must be text in UTF-8, got byte 0x{error.object[error.start]:02x} at {error.start}"
    if isinstance(error, OmegaConfBaseException):
        return _wrong_value(error)
    if isinstance(error, ConfigCompositionException):
        cause = error.__cause__ or error.__context__
        if isinstance(cause, OmegaConfBaseException):
            return _wrong_value(cause)
        return _not_applied(error, [_read(text) for text in overrides])
    if isinstance(error, HydraException):
        return in_short(error)
    return f"{type(error).__name__}: {in_short(error)}; HYDRA_FULL_ERROR=1 shows where"


def _unreadable(override: str) -> str:
    if override.startswith(("=", "+=")):
        return f"{override} can't be read as an override; put a key before the ="
    if "=" in override or override.startswith("~"):
        key, _, value = override.partition("=")
        can_be_quoted = value and not set(value) & set("\"'[]{}()\\,")
        way_out = f"give '{key}=\"{value}\"'" if can_be_quoted else "quote values with special characters"
        return f"{override} can't be read as an override; {way_out}"
    return f"{override or 'an empty argument'} is neither KEY=VALUE nor a command, such as ui"


def _missing_option(file: str, there: Sequence[str], overrides: Sequence[str]) -> str:
    group = next((group for group in groups() if file.startswith(f"{group}/")), file.rpartition("/")[0])
    option = file.removeprefix(f"{group}/")
    other, _, name = option.partition("/")
    if other in groups() and f"{group}={option}" not in overrides:
        return f"a defaults list names {file}, which is not there; did you mean override /{other}: {name}?"
    way_out = suggestion(option, {*options(group), *there})
    if group == "dataset" and option.lower().endswith((".csv", ".csv.gz", ".parquet")):
        way_out = f"for a file, give dataset=csv dataset.path={option}"
    typed = (key_of(text) for text in overrides if text.partition("=")[2] == option)
    key = next((key for key in typed if key.partition("@")[0] == group), group)  # with the place that it chooses for
    return f"{key}={option} is not an option; {way_out}"


def _broken_yaml(error: YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"{mark.name}, row {mark.line + 1}, column {mark.column + 1}" if mark else "a YAML file"
    problem = getattr(error, "problem", None) or str(error)
    return f"{place}: can't be read as YAML ({problem}); correct it"


def _wrong_value(error: OmegaConfBaseException) -> str:
    """Say what OmegaConf objects to: its exceptions name the key."""
    key = error.full_key
    text = in_short(error)
    if not key:
        return text
    if isinstance(error, ConfigAttributeError | ConfigKeyError):
        return _wrong_key(key)
    if isinstance(error, MissingMandatoryValue):
        return f"{key} is missing; give it a value"
    return f"{key}: {text}; give it another value"


def _not_applied(error: ConfigCompositionException, overrides: list[Override]) -> str:
    """Say which override Hydra could not apply, if it names one of a kind that this may happen to."""
    text = in_short(error)
    for override in overrides:
        key = override.key_or_group
        if key not in text:
            continue
        if override.value_type == ValueType.SIMPLE_CHOICE_SWEEP:
            way_out = "add -m to sweep over them, or brackets for a list"
            return f"{override.input_line} gives one run several values; {way_out}"
        if override.is_sweep_override():
            return f"{override.input_line} is a sweep, which needs -m"
        if override.is_delete() and override.value() is None:
            return f"{key} is missing; give it a value" if key in known_keys() else _wrong_key(key)
        if override.is_add():
            return f"{key} has a value already; leave out the +"
    return text


def _wrong_key(key: str) -> str:
    """Say that a configuration has no such key, and which one may be meant."""
    if key.startswith("hydra.sweeper.params"):
        return f"{key} belongs into a configuration; on the command line, type its dimensions themselves"
    if key.startswith("hydra"):
        return f"{key} is not a key of Hydra's; wavesweep --cfg hydra shows them"
    known = known_keys()
    part, _, _ = key.partition(".")
    group, _, name = key.rpartition(".")
    if key in known:
        owners = [one for one in options(part) if part == "dataset" and name in read_option(part, one)]
        other = f"choose {part}={owners[0]}" if len(owners) == 1 else "choose another"
        return f"{key} is not a key of the {part} chosen here; leave it out, or {other}"
    siblings = [other for other in {*known, *groups()} if other.rpartition(".")[0] == group]
    return f"{key} is not a key of this configuration; {suggestion(key, siblings or known)}"
