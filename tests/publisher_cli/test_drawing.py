"""The lineage picture: well-formed, escaped, complete, whatever the graph."""

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from publisher_cli.drawing import svg

SVG = "{http://www.w3.org/2000/svg}"


def edge(child, parent):
    return {"child": child, "parent": parent, "relation": "derivedFrom"}


def test_every_dataset_is_a_box_and_every_relation_a_line():
    nodes = {
        name: {"name": name, "version": "1", "license": "MIT", "status": "active", "id": f"urn:{name}"}
        for name in "abc"
    }
    root = ET.fromstring(svg("a", nodes, [edge("a", "b"), edge("a", "c"), edge("b", "c"), edge("c", "d")]))
    assert len(list(root.iter(f"{SVG}rect"))) == 4
    assert len(list(root.iter(f"{SVG}path"))) == 4
    places = {
        one.find(f"{SVG}text").text.split()[0]: int(one.find(f"{SVG}rect").get("x")) for one in root.iter(f"{SVG}g")
    }
    assert places["a"] < places["b"] < places["c"] < places["not"]


def test_a_revoked_dataset_and_one_that_is_not_registered_are_drawn_apart():
    text = svg("a", {"a": {"name": "a", "status": "revoked"}}, [edge("a", "b")])
    assert 'class="off"' in text
    assert 'class="none"' in text


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.text(max_size=60), min_size=1),
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=12),
)
def test_any_names_and_any_graph_even_a_cycle_give_a_picture(names, pairs):
    nodes = {digest: {"name": name, "status": name, "license": name, "id": name} for digest, name in names.items()}
    text = svg(next(iter(nodes)), nodes, [edge(*pair) for pair in pairs])
    root = ET.fromstring(text)
    assert {one.tag for one in root.iter()} <= {
        f"{SVG}{tag}" for tag in ("svg", "title", "style", "path", "text", "g", "rect")
    }
    assert int(root.get("width")) > 0
