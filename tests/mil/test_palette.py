"""All forms of tables against numpy and published examples; test_constants.py compares whole packages."""

import numpy as np
import pytest

from bksdm_demo.mil.palette import decode_flat, decode_grouped, index_bits
from tests.mil.test_elements import bit_by_bit


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
@pytest.mark.parametrize("shape", [(3, 5, 7), (1,), (640, 11), (0, 4)])
def test_flat(bits: int, shape: tuple[int, ...]) -> None:
    random = np.random.RandomState(bits)
    indices, table = random.randint(0, 2**bits, shape), random.standard_normal(2**bits).astype(np.float16)
    decoded = decode_flat(bit_by_bit(indices.reshape(-1), bits), table, shape)
    assert decoded.tobytes() == table[indices].tobytes()


def test_grouped_example_of_the_mil_documentation() -> None:
    indices = np.array([2, 3, 3, 0, 1, 0, 3, 0, 2, 1, 0, 3], np.uint8).reshape(6, 2)
    tables = np.array([1, 5, 9, 13, 2, 10, 18, 26], np.float16).reshape(2, 1, 4, 1)
    expected = [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]]
    np.testing.assert_array_equal(decode_grouped(indices, tables), expected)


@pytest.mark.parametrize(("axis", "row"), [(1, ["a0", "a1", "a2", "b0", "b1", "b2"]), (-2, None)])
def test_vector_example_of_the_mil_documentation(axis: int, row: list[str] | None) -> None:
    indices = np.array([0, 0, 1, 0, 1, 1, 0, 0], np.uint8).reshape(2, 2, 2)
    tables = np.array([["a0", "a1", "a2"], ["b0", "b1", "b2"]]).reshape(1, 1, 1, 2, 3)
    decoded = decode_grouped(indices, tables, axis)
    assert decoded.shape == (2, 6, 2)
    assert list(decoded[0, :, 0]) == (row or ["a0", "a1", "a2", "b0", "b1", "b2"])
    assert list(decoded[1, :, 1]) == ["b0", "b1", "b2", "a0", "a1", "a2"]


@pytest.mark.parametrize("size", [0, 1, 3, 8, 32, 512])
def test_other_table_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"table of {size} values"):
        index_bits(size)


@pytest.mark.parametrize(
    ("shape", "tables", "axis"),
    [((4, 4), (3, 1, 2, 1), None), ((4, 4), (1, 2, 1), None), ((4, 4), (1, 1, 2, 3), None), ((4, 4), (1, 1, 1, 1), 0)],
)
def test_tables_that_do_not_fit_are_refused(shape: tuple[int, ...], tables: tuple[int, ...], axis: int | None) -> None:
    with pytest.raises(ValueError, match=r"tables|vectors"):
        decode_grouped(np.ones(shape, np.uint8), np.zeros(tables), axis)
