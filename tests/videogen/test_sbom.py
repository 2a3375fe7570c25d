"""The bill of materials names everything that is installed to run videogen, as it is pinned."""

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_PIN = re.compile(r"^([A-Za-z0-9_.\-]+)(?:\[[^]]*\])?==([^ \\;]+)", re.MULTILINE)


def test_every_pinned_package_is_in_it_with_its_version_and_hashes(tmp_path: Path) -> None:
    subprocess.run([ROOT / "bin" / "sbom", tmp_path / "sbom.json"], check=True, capture_output=True)

    told = json.loads((tmp_path / "sbom.json").read_text())
    found = {one["name"].lower(): one for one in told["components"]}
    pinned = dict(_PIN.findall((ROOT / "requirements.txt").read_text()))
    assert told["bomFormat"] == "CycloneDX"
    assert {name: one["version"] for name, one in found.items()} == pinned
    assert all(one["externalReferences"][0]["hashes"] for one in found.values())
