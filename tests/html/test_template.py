"""Templates escape what they print, and an unknown name is an error."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from glr.html.template import template


def test_values_are_text(tmp_path: Path):
    (tmp_path / "page.html.jinja").write_text("{% if shown %}\n  <b>{{ name }}</b>\n{% endif %}\nend\n")
    page = template(str(tmp_path / "page.py"))
    assert page.render(shown=True, name="<i>&") == "  <b>&lt;i&gt;&amp;</b>\nend\n"
    with pytest.raises(UndefinedError, match="'name' is undefined"):
        page.render(shown=True)
