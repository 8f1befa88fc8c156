"""Rules about the code that no import linter states."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]
APPS = ("bottomline", "accounts", "invites")


def modules() -> Iterator[tuple[str, ast.Module]]:
    for app in APPS:
        for file in sorted((ROOT / app).rglob("*.py")):
            if "tests" not in file.parts and "migrations" not in file.parts:
                yield str(file.relative_to(ROOT)), ast.parse(file.read_text())


def imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def inside_functions(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(node)


# It must not load Django where it is not needed.
MAY_IMPORT_LATE = {"bottomline/local.py"}


def test_an_import_inside_a_function_is_a_cycle_asking_to_be_untied():
    late = [name for name, tree in modules() if any(inside_functions(tree))]
    assert set(late) <= MAY_IMPORT_LATE


def test_services_and_models_know_no_request():
    for name, tree in modules():
        if "/services" in name or "/models" in name:
            named = {node.module for node in imports(tree) if isinstance(node, ast.ImportFrom)}
            assert not {module for module in named if module and "django.http" in module}, name


@pytest.mark.asvs("6.3.4")
def test_there_is_one_call_to_djangos_login():
    calls = [
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"auth.login", "login"}
    ]
    assert calls == ["accounts/services/login.py"]


def test_bottomline_names_the_user_only_by_setting():
    for name, tree in modules():
        if name.startswith("bottomline/"):
            for node in imports(tree):
                assert not ast.unparse(node).startswith(("from accounts", "from invites")), name


@pytest.mark.asvs("1.3.2")
@pytest.mark.asvs("1.2.5")
def test_nothing_that_came_from_outside_is_run_or_unpickled():
    forbidden = {"eval", "exec", "pickle.loads", "yaml.load", "os.system", "mark_safe"}
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in forbidden, name
                assert not any(
                    keyword.arg == "shell" and ast.unparse(keyword.value) == "True"
                    for keyword in node.keywords
                ), name


@pytest.mark.asvs("3.4.3")
@pytest.mark.asvs("3.6.1")
@pytest.mark.asvs("1.2.3")
@pytest.mark.asvs("14.2.3")
def test_pages_hold_no_inline_code_and_name_no_other_site():
    for file in sorted((ROOT / "templates").rglob("*.html")):
        if "emails" in file.parts:
            continue
        text = file.read_text()
        assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", text), file
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), file
        assert not re.search(r"(?:src|href|action)=[\"']?(?:https?:)?//", text), file
        assert "|safe" not in text, file


@pytest.mark.asvs("3.2.2")
@pytest.mark.asvs("14.3.3")
def test_scripts_insert_text_as_text_and_store_nothing():
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
    for file in sorted((ROOT / "static" / "js").rglob("*.js")):
        text = file.read_text()
        for word in (*forbidden, "localStorage", "sessionStorage", "indexedDB"):
            assert word not in text, file


def test_every_mail_has_a_subject_a_text_and_a_page_in_every_language():
    others = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
    parts = {"subject.txt", "body.txt", "body.html"}
    for folder in sorted((ROOT / "templates" / "emails").iterdir()):
        if folder.is_dir() and folder.name != "components":
            assert {file.name for file in folder.iterdir()} == parts | set(others), folder
            for code in others:
                assert {file.name for file in (folder / code).iterdir()} == parts, (folder, code)
