"""What results depend on beside the configuration is told by a digest."""

import pytest

from wavesweep.config.groups import read_option
from wavesweep.runs import fingerprints


def test_the_code_is_other_code_where_the_refinement_s_option_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration holds that option, so a sweep that is resumed after an edit of it would end otherwise."""
    fingerprints.source_digest.cache_clear()
    before = fingerprints.code()
    fingerprints.source_digest.cache_clear()
    assert fingerprints.code() == before
    fingerprints.source_digest.cache_clear()
    monkeypatch.setattr(fingerprints, "read_option", lambda *where: read_option(*where) | {"max_iter": 19})
    assert fingerprints.code() != before
    fingerprints.source_digest.cache_clear()
