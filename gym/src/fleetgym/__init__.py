"""A plugin-based, sandboxed evaluation gym for agent frameworks.

Importing this package makes its environments known to Gymnasium, as soon as Gymnasium itself is
imported and no sooner: a framework's own environment has no Gymnasium, and the command line does
not pay for it.
"""

import importlib.util as _importlib_util
from typing import Any as _Any

from fleetgym.version import __version__

__all__ = ["__version__"]


def _register(gymnasium: _Any) -> None:
    from fleetgym.environments import register_with_gymnasium  # noqa: PLC0415

    register_with_gymnasium(gymnasium)


# wrapt belongs to the extra `run`, as Gymnasium does.
if _importlib_util.find_spec("wrapt") is not None:
    import wrapt as _wrapt

    _wrapt.register_post_import_hook(_register, "gymnasium")
