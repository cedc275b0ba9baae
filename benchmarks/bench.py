"""What `make bench` runs: each benchmark in turn, in a process of its own."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PARTS = [
    "start.py",
    "speed.py",
    "inputs.py",
    "forms.py",
    "loading.py",
    "broadcasts.py",
    "browser.py",
    "windows.py",
    "batch.py",
    "explorer.py",
    "profiles.py",
]


def main() -> None:
    for part in sys.argv[1:] or PARTS:
        print(f"\n{part}", flush=True)
        subprocess.run([sys.executable, HERE / part], check=True)


if __name__ == "__main__":
    main()
