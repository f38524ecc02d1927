"""Single overrides in Hydra's grammar."""

from typing import Literal

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from hydra_queue_sweeper.base.overrides import key_of, written

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
# What Hydra resolves, or its grammar has no place for, stands in no configuration.
text = st.text(st.characters(exclude_characters="$\n\r", exclude_categories=["C"]), min_size=1)


@given(value=plain | text | st.lists(plain | text), quote=st.sampled_from(["'", '"']))
def test_hydra_reads_what_is_written(value: object, quote: Literal["'", '"']) -> None:
    assert OverridesParser.create().parse_override(f"key={written(value, quote)}").value() == value


@pytest.mark.parametrize("override", ["a.b=1", "+a.b=x=y", "++a.b=", "~a.b"])
def test_the_key_of_an_override_has_no_signs(override: str) -> None:
    assert key_of(override) == "a.b"
