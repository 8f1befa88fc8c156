"""What `manage.py check --deploy` says of the environment."""

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
