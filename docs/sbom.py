"""Write docs/sbom.json: what requirements/dev.txt installs here, with versions and licences
(CycloneDX, from stdin).

cyclonedx-py environment --output-reproducible --short-PURLs --pyproject pyproject.toml PYTHON |
python docs/sbom.py
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent


def plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


bom = json.load(sys.stdin)
lock = (HERE.parent / "requirements" / "dev.txt").read_text()
locked = {
    (plain(name), version) for name, version in re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", lock)
}
bom["components"] = [c for c in bom["components"] if (plain(c["name"]), c["version"]) in locked]
kept = {c["bom-ref"] for c in bom["components"]} | {bom["metadata"]["component"]["bom-ref"]}
bom["dependencies"] = [
    d | {"dependsOn": [r for r in d.get("dependsOn", ()) if r in kept]}
    for d in bom["dependencies"]
    if d["ref"] in kept
]
bom["metadata"].pop("tools", None)
for component in (bom["metadata"]["component"], *bom["components"]):
    component.pop("externalReferences", None)  # addresses, of which many are dead
(HERE / "sbom.json").write_text(json.dumps(bom, indent=1, sort_keys=True) + "\n")
