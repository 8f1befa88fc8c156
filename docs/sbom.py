"""Prints the bill of materials: every package that runs in production, as CycloneDX 1.6.

Read from requirements.txt, where each is pinned with the hashes of its files on PyPI. So nothing is
installed, nobody is asked, and the same pins give the same text.
https://cyclonedx.org/docs/1.6/json/, ASVS 15.1.2.
"""

import json
import re
from pathlib import Path
from typing import Any

PINNED = Path(__file__).resolve().parents[1] / "requirements.txt"
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*])?==(?P<version>[^\s;\\]+)", re.MULTILINE)


def bill_of_materials(pinned: str) -> dict[str, Any]:
    """What the text of a requirements file pins, in its order."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "bottomline"}},
        "components": [component(**pin.groupdict()) for pin in PIN.finditer(pinned)],
    }


def component(name: str, version: str) -> dict[str, str]:
    # A name is in its normal form in a pin by uv, as a package URL of PyPI wants it.
    url = f"pkg:pypi/{name}@{version}"
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}


if __name__ == "__main__":
    print(json.dumps(bill_of_materials(PINNED.read_text(encoding="utf-8")), indent=2))
