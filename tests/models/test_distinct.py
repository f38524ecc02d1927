"""Distinct rows are those that torch finds."""

import pytest
import torch

from wavesweep.models.distinct import distinct


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kinds", [1, 7, 200])
def test_they_are_found_as_by_torch(kinds: int, dtype: torch.dtype) -> None:
    torch.manual_seed(kinds)
    rows = torch.randn(kinds, 5, 3, dtype=dtype)[torch.randint(kinds, (200,))]
    found, number = distinct(rows)
    expected, expected_number = rows.unique(dim=0, return_inverse=True)
    assert torch.equal(found, expected)
    assert torch.equal(number, expected_number)
    assert torch.equal(found[number], rows)


@pytest.mark.parametrize("value", [1e-300, torch.inf, torch.nan])
def test_rows_of_the_same_sum_are_told_apart(value: float) -> None:
    rows = torch.tensor([[1.0, value], [1.0, -value], [1.0, value], [value, 1.0]], dtype=torch.float64)
    found, number = distinct(rows)
    torch.testing.assert_close(found[number], rows, rtol=0, atol=0, equal_nan=True)
