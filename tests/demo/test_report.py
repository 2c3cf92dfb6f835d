import base64
import math
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from tanq_monai.demo.report import ADAPTED, SHIPPED_AS_THEY_ARE, SUPERVISED_BOUND, Picture, gap_closed, write_report
from tanq_monai.errors import InputError

PNG = b"\x89PNG\r\n\x1a\n not really a picture"


def _table(**columns):
    values = {
        "VS Dice": [0.2, 0.5, 0.8],
        "VS ASSD mm": [123.456, 1.5, 0.5],
        "cochlea Dice": [0.0, 0.6, 0.8],
        "cochlea ASSD mm": [350.0, 0.25, math.nan],
        "n": [4, 4, 4],
        "seconds": [1234.6, 10.0, 20.0],
    }
    return pd.DataFrame({**values, **columns}, index=[SHIPPED_AS_THEY_ARE, ADAPTED, SUPERVISED_BOUND])


def _picture(section="Translation", title="case 1"):
    return Picture(section, title, "caption & more", PNG)


class _Page(HTMLParser):
    """Cells of the table and addresses of the page."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.addresses, self.headings, self._open = [], [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self._open = tag if tag in ("th", "td", "h2") else self._open
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        if tag == "h2":
            self.headings.append("")
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        self._open = "" if tag == self._open else self._open

    def handle_data(self, data):
        if self._open in ("th", "td"):
            self.rows[-1][-1] += data.strip()
        elif self._open == "h2":
            self.headings[-1] += data


@pytest.fixture
def output(tmp_path):
    return tmp_path / "demo" / "report.html"


def _write(output, table=None, pictures=(), facts=None):
    write_report(output, _table() if table is None else table, list(pictures), facts or {"Seed": "0"})
    return output.read_text()


def test_table_shows_every_segmenter_with_dice_to_three_and_mm_to_two_digits(output):
    rows = _Page(_write(output)).rows
    header = ["Segmenter", "VS Dice", "VS ASSD mm", "cochlea Dice", "cochlea ASSD mm", "n", "seconds"]
    assert rows == [
        header,
        [SHIPPED_AS_THEY_ARE, "0.200", "123.46", "0.000", "350.00", "4", "1,235"],
        [ADAPTED, "0.500", "1.50", "0.600", "0.25", "4", "10"],
        [SUPERVISED_BOUND, "0.800", "0.50", "0.800", "n/a", "4", "20"],
    ]


def test_an_interval_stands_beside_its_mean(output):
    table = _table(**{"VS Dice 95% CI": ["(0.1, 0.3)", "(0.4, 0.6)", ""]})
    rows = _Page(_write(output, table)).rows
    assert "VS Dice 95% CI" not in rows[0]
    assert [row[1] for row in rows[1:]] == ["0.200(0.1, 0.3)", "0.500(0.4, 0.6)", "0.800"]


def test_gap_closed_is_the_share_between_the_shipped_weights_and_the_bound():
    closed = gap_closed(_table())
    assert closed == {"VS": pytest.approx(0.5), "cochlea": pytest.approx(0.75)}


def test_gap_closed_is_0_at_the_shipped_weights_1_at_the_bound_and_negative_below():
    for reached, share in ((0.2, 0.0), (0.8, 1.0), (0.05, -0.25)):
        closed = gap_closed(_table(**{"VS Dice": [0.2, reached, 0.8]}))
        assert closed["VS"] == pytest.approx(share)


@pytest.mark.parametrize("table", [_table().drop(index=ADAPTED), _table(**{"VS Dice": [0.8, 0.9, 0.8]})])
def test_gap_closed_is_not_applicable_without_a_gap_or_a_row(table):
    assert math.isnan(gap_closed(table)["VS"])


def test_page_is_self_contained(output):
    html = _write(output, pictures=[_picture()])
    assert all(address.startswith("data:image/png;base64,") for address in _Page(html).addresses)
    assert not re.search(r"https?://|url\(|@import|<script|<link", html)


def test_picture_in_the_page_is_the_png_given(output):
    (address,) = _Page(_write(output, pictures=[_picture()])).addresses
    assert base64.b64decode(address.split(",")[1]) == PNG


def test_pictures_of_a_section_stand_under_one_heading_in_their_order(output):
    pictures = [_picture(), _picture(title="case 2"), _picture("Segmentation", "case 3")]
    html = _write(output, pictures=pictures)
    headings = _Page(html).headings
    assert headings[1:3] == ["Translation", "Segmentation"]
    assert html.index("case 1") < html.index("case 2") < html.index("case 3")


def test_page_says_research_only_and_gives_the_facts_with_special_characters_escaped(output):
    html = _write(output, facts={"Command": "demo --size tiny <now> & here"})
    assert "not a medical device" in html
    assert "demo --size tiny &lt;now&gt; &amp; here" in html


def test_report_of_nothing_but_facts_is_written(output):
    assert "n/a" in _write(output, _table().iloc[:0])


def test_unwritable_place_is_named_and_the_old_report_stays(output, tmp_path):
    old = _write(output)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/report.html: cannot be written"):
        _write(tmp_path / "file" / "report.html")
    assert output.read_text() == old
    assert [path.name for path in output.parent.glob("[!.]*")] == ["report.html"]
