"""What `manage.py check --deploy` says of the environment."""

import os
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from bottomline.checks import check_public


def found(settings, where: str) -> list[str]:
    settings.BREACHED_PASSWORDS = where
    ids = [message.id for message in check_public(None)]
    return [each for each in ids if each in {"bottomline.E004", "bottomline.E005"}]


@pytest.mark.asvs("6.2.12")
def test_who_is_asked_for_stolen_passwords_must_be_safe_and_there(settings, tmp_path: Path):
    there = tmp_path / "hashes.txt"
    there.write_text("")
    assert found(settings, "") == []
    assert found(settings, "https://api.pwnedpasswords.com/range/") == []
    assert found(settings, str(there)) == []
    assert found(settings, "http://api.pwnedpasswords.com/range/") == ["bottomline.E004"]
    assert found(settings, str(tmp_path / "nothing.txt")) == ["bottomline.E005"]


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        ([], set()),
        (["192.0.2.0/24", "2001:db8::/32"], set()),
        (["0.0.0.0/0"], {"bottomline.E006"}),
        (["192.0.2.0/24", "::/0"], {"bottomline.E006"}),
    ],
)
def test_a_wall_that_lets_everybody_through_is_none(settings, networks, said):
    settings.ADMIN_NETWORKS = [ip_network(network) for network in networks]
    ids = {message.id for message in check_public(None)}
    assert ids & {"bottomline.E006"} == said


@pytest.mark.parametrize("given", ["192.0.2.1/24", "office", "192.0.2.0/33"])
def test_what_is_no_network_is_refused_at_once(given):
    done = subprocess.run(
        [sys.executable, "-c", "import bottomline.settings"],
        env={**os.environ, "ADMIN_NETWORKS": given},
        capture_output=True,
        text=True,
    )
    assert done.returncode
    assert "ADMIN_NETWORKS must be networks" in done.stderr
