"""Figures for a page that opens without a network."""

import re
from xml.etree import ElementTree

from matplotlib.figure import Figure

from study.svg import inline_svg


def draw(figure: Figure) -> None:
    axes = figure.subplots()
    axes.plot([1, 2, 3], [2, 1, 3], marker="o", clip_on=True)
    axes.set_title('a < b & $x_1$ "quoted"')


def svg(name: str = "one", description: str = "a line") -> str:
    return inline_svg(name, description, (3.0, 2.0), draw)


def test_it_is_one_element_without_address_or_date() -> None:
    drawing = svg()
    assert drawing.startswith("<svg") and drawing.rstrip().endswith("</svg>")
    assert not re.search(r"http|xmlns|<metadata|<!DOCTYPE|<\?xml", drawing)


def test_it_is_well_formed() -> None:
    named = svg().replace("<svg", '<svg xmlns:xlink="x"', 1)
    assert ElementTree.fromstring(named).tag == "svg"


def test_equal_drawings_are_equal_bytes() -> None:
    assert svg() == svg()


def test_ids_of_two_figures_on_a_page_differ_and_references_follow() -> None:
    first, second = svg("one"), svg("two")
    ids = [set(re.findall(r' id="([^"]+)"', drawing)) for drawing in (first, second)]
    assert ids[0] and not ids[0] & ids[1]
    for drawing, known in zip((first, second), ids, strict=True):
        used = set(re.findall(r"url\(#([^)]+)\)", drawing))
        used |= set(re.findall(r'xlink:href="#([^"]+)"', drawing))
        assert used and used <= known


def test_letters_stay_letters_and_names_are_no_formulae() -> None:
    drawing = svg()
    assert re.search(r"<text[^>]*>a &lt; b &amp; \$x_1\$ \"quoted\"</text>", drawing)


def test_it_is_described_to_those_who_do_not_see_it() -> None:
    drawing = svg(description='errors of <north> & "south"')
    assert 'role="img"' in drawing
    assert 'aria-label="errors of &lt;north&gt; &amp; &quot;south&quot;"' in drawing
