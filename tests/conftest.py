import os
import sys
from pathlib import Path

# A small environment, found through its entry point as anybody's is; by child processes too.
TINY = str(Path(__file__).parent / "tiny_distribution")
sys.path.insert(0, TINY)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [TINY, os.environ.get("PYTHONPATH")]))
