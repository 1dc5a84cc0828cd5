"""Runs inside an image that is being built: makes the packages that were copied ready for use.

    python3 assemble.py [--venv]

Compiles them, and gives what it has made the date that everything else has already.
"""

import argparse
import compileall
import os
import pathlib
import py_compile
import venv

HOME = pathlib.Path("/opt/fleetgym")
DATE = 315532800  # as in fleetgym_images/context.py


def main() -> None:
    """Finish one layer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--venv", action="store_true", help="make the virtual environment, too")
    if parser.parse_args().venv:
        venv.create(HOME, symlinks=True)
        for script in HOME.glob("bin/[Aa]ctivate*"):
            script.unlink()
    # Some packages carry templates or Python 2 in `.py` files, so failures are no failure. Bytecode
    # that is never compared with its source loads fastest, and does not depend on dates.
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(HOME / "lib", quiet=2, workers=0, invalidation_mode=unchecked)
    _settle(HOME)


def _settle(top: pathlib.Path) -> None:
    """Date what is new; to touch the rest would copy it into another layer."""
    for folder, folders, names in os.walk(top, topdown=False):
        for path in (*(pathlib.Path(folder, name) for name in (*folders, *names)), top):
            if path.lstat().st_mtime != DATE:
                os.utime(path, (DATE, DATE), follow_symlinks=False)


if __name__ == "__main__":
    main()
