"""A trained model as one file in the safetensors format: arrays, and facts about them as JSON. Reading it runs nothing.

Nobody has vouched for a file: what is not as it must be is a ValueError in one line that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pipeline.step import Strict
from pipeline.store import Store, canonical

Arrays = dict[str, npt.NDArray[Any]]
Facts = TypeVar("Facts", bound=Strict)

# One entry: safetensors keeps those of its own table in no order.
_ENTRY = "corpusmill"


def write(path: Path, facts: Strict, arrays: Arrays) -> None:
    """Write a model whole or not at all: the same bytes for the same model."""
    data = save(arrays, metadata={_ENTRY: canonical(facts.model_dump(mode="json")).decode()})
    Store(path.absolute().parent).write(path.name, data)


def read(path: Path, kind: type[Facts], expected: Mapping[str, tuple[npt.DTypeLike, int]]) -> tuple[Facts, Arrays]:
    """The facts and arrays of a model; `expected` names each array's type and number of dimensions."""
    try:
        with safe_open(path, framework="numpy") as opened:
            facts = kind.model_validate_json((opened.metadata() or {}).get(_ENTRY, ""))
            names = set(opened.keys())
            arrays = {name: opened.get_tensor(name) for name in expected if name in names}
    except SafetensorError as error:
        raise refused(path, f"a file in the safetensors format ({error})") from None
    except ValidationError as error:
        first = error.errors()[0]
        said = ": ".join((*map(str, first["loc"]), first["msg"]))
        raise refused(path, f"what is said of such a model by the command that makes it ({said})") from None
    except (AttributeError, TypeError) as error:
        raise refused(path, f"numbers of types that numpy has ({error})") from None
    if names != set(expected):
        raise refused(path, f"the arrays {', '.join(expected)}, not {', '.join(sorted(names)) or 'none'}")
    for name, (dtype, dimensions) in expected.items():
        found = arrays[name]
        if found.dtype != dtype or found.ndim != dimensions:
            raise refused(path, f"{name!r} as {np.dtype(dtype)} in {dimensions} dimensions, not {found.dtype} in {found.ndim}")
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise refused(path, f"finite numbers in {name!r}")
    return facts, arrays


def refused(path: Path, expectation: str) -> ValueError:
    """The error for a file that is no such model."""
    return ValueError(f"{path}: expected {expectation}; train the model anew")
