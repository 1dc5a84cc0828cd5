"""Runs inside an image that is being built: makes packages ready to be imported.

    python3 assemble.py FOLDER [--venv]

Moves the packages in FOLDER to where ``/opt/fleetgym`` looks for them and compiles them. All dates
and permissions become the same wherever and whenever this runs.
"""

import argparse
import compileall
import os
import pathlib
import py_compile
import shutil
import sys
import venv

HOME = pathlib.Path("/opt/fleetgym")
SITE = HOME / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
DATE = 315532800  # 1980-01-01, the oldest date that a zip file knows


def main() -> None:
    """Assemble one layer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--venv", action="store_true", help="make the virtual environment, too")
    asked = parser.parse_args()
    if asked.venv:
        venv.create(HOME, symlinks=True)
        for script in HOME.glob("bin/[Aa]ctivate*"):
            script.unlink()
    SITE.mkdir(parents=True, exist_ok=True)
    for path in asked.folder.iterdir():
        # Scripts name the interpreter of the machine that unpacked them, and nobody calls them.
        if path.name not in {"bin", ".lock"}:
            shutil.move(path, SITE)
    # Some packages carry templates or Python 2 in `.py` files, so failures are no failure. Bytecode
    # that is never compared with its source loads fastest, and does not depend on dates.
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(SITE, quiet=2, workers=0, invalidation_mode=unchecked)
    _settle(HOME)


def _settle(top: pathlib.Path) -> None:
    """Give everything below ``top`` the same date, and to everybody the right to read it."""
    for folder, _, names in os.walk(top, topdown=False):
        for path in (*(pathlib.Path(folder, name) for name in names), pathlib.Path(folder)):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            os.utime(path, (DATE, DATE), follow_symlinks=False)


if __name__ == "__main__":
    main()
