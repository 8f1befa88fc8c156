"""The dashboard and the alerts ask for what we count, by the names it has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import NoReverseMatch, reverse
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from bottomline import metrics
from bottomline.exposition import State
from bottomline.tests.test_architecture import ROOT, modules

FOLDER = ROOT / "deploy" / "monitoring"
ALERTS = yaml.safe_load((FOLDER / "alerts.yml").read_text())
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())

RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = {rule["alert"]: rule["expr"] for rule in RULES} | {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in PANELS
    for target in panel["targets"]
}
each_query = pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)

NAME = re.compile(r"\bbottomline_\w+\b")
SELECTOR = re.compile(r"\b(bottomline_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
SUFFIXES = {Counter: ["_total"], Histogram: ["_bucket", "_sum", "_count"], Gauge: [""]}


@pytest.fixture
def known(db: None) -> dict[str, set[str]]:
    """The labels of each series we show, by its name."""
    found: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            for suffix in SUFFIXES[type(metric)]:
                labels = {*metric._labelnames, *(["le"] if suffix == "_bucket" else [])}
                found[metric._name + suffix] = labels
    for family in State().collect():
        samples = {sample.name: set(sample.labels) for sample in family.samples}
        found |= samples or {family.name: {"store"}}  # a Redis without a limit shows none
    return found


@each_query
def test_every_metric_that_is_asked_for_is_counted(known, query):
    names = set(NAME.findall(query))

    assert names or query.startswith("up{")
    assert names <= set(known)


def test_every_metric_that_is_counted_is_looked_at(known):
    looked_at = {name for query in QUERIES.values() for name in NAME.findall(query)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in known}

    assert families == {re.sub(r"_(bucket|sum|count)$", "", name) for name in looked_at}


@each_query
def test_every_label_that_is_asked_for_is_there(known, query):
    for name, matchers in SELECTOR.findall(query):
        assert {label for label, _, _ in MATCHER.findall(matchers)} <= known[name]
    for grouped in re.findall(r"\bby \(([^)]*)\)", query):
        labels = {label.strip() for label in grouped.split(",")}
        assert any(labels <= known[name] for name in NAME.findall(query))
    if "histogram_quantile" in query:
        assert re.search(r"by \([^)]*\ble\b", query), "a quantile is taken over le"


@each_query
def test_every_value_that_is_asked_for_is_one_of_ours(query):
    source = "\n".join((ROOT / name).read_text() for name, _ in modules())
    for _, matchers in SELECTOR.findall(query):
        for label, operator, value in MATCHER.findall(matchers):
            if label == "view":
                assert reverse(value)
            elif label in {"event", "reason"} and operator != "!~":
                assert all(f'"{one}"' in source for one in value.split("|"))


def test_a_view_that_is_gone_would_be_noticed():
    with pytest.raises(NoReverseMatch):
        reverse("sessions:gone")


@each_query
def test_every_query_closes_what_it_opens(query):
    for opened, closed in ("()", "{}", "[]"):
        assert query.count(opened) == query.count(closed)
    assert query.count('"') % 2 == 0


@each_query
def test_a_counter_is_looked_at_only_as_it_grows(query):
    """It begins anew when METRICS_DIR is emptied; and what has just begun has no rate yet."""
    grows = r"(?:rate|increase)\(bottomline_\w+(?:\{[^}]*\})?\[[^\]]+\]\)"
    begins = r"(bottomline_\w+\{[^}]*\})\s+unless \1 offset \w+"
    rest = re.sub(begins, "", re.sub(grows, "", query))

    assert not re.search(r"bottomline_\w+_(?:total|bucket|sum|count)\b", rest)


def test_every_alert_says_what_it_is_and_what_to_do():
    names = [rule["alert"] for rule in RULES]

    assert len(names) == len(set(names))
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"].keys() == {"summary", "description"}
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        grouped = {
            label.strip()
            for labels in re.findall(r"by \(([^)]*)\)", rule["expr"])
            for label in labels.split(",")
        }
        assert shown <= grouped | ({"instance"} if rule["expr"].startswith("up{") else set())


def test_the_scrape_in_the_example_is_that_of_the_rules():
    comment = "\n".join(
        line.removeprefix("#").removeprefix("     ")
        for line in (FOLDER / "alerts.yml").read_text().splitlines()
        if line.startswith("#     ")
    )
    example = yaml.safe_load(comment)

    assert example["rule_files"] == ["alerts.yml"]
    assert [job["job_name"] for job in example["scrape_configs"]] == ["bottomline"]
    assert 'job="bottomline"' in QUERIES["NobodyAnswers"]


def test_the_panels_have_a_place_and_a_number_each():
    everything = DASHBOARD["panels"]
    cells = [
        (x, y)
        for panel in everything
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len({panel["id"] for panel in everything}) == len(everything)
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${datasource}"}


def test_the_readme_names_both_files():
    text = Path(ROOT / "README.md").read_text()
    assert "deploy/monitoring/alerts.yml" in text
    assert "deploy/monitoring/dashboard.json" in text
