"""Run every notebook here on the sample and keep its outputs, which `make test` compares with a
fresh run.
"""

import sys
from pathlib import Path

import nbformat

from rebroadcast.report import reports

HERE = Path(__file__).parent


def main(names: list[str]) -> None:
    for path in sorted(HERE.glob("[a-z]*.ipynb")):
        if names and path.stem not in names:
            continue
        target = path.with_name(f".{path.stem}.recorded.ipynb")
        if failure := reports.execute(path, {}, target, {}):
            target.unlink(missing_ok=True)
            sys.exit(f"{path.name}: {failure}")
        notebook = reports.clean(nbformat.read(target, as_version=4))
        nbformat.write(notebook, path)
        target.unlink()
        print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
