"""A gallery as an HTML page: one file that needs nothing else, neither images beside it nor scripts."""

import base64
import html
import re
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from glr.report.gallery import Entry, Result, check_entries
from glr.report.palette import RIGHT, WRONG, css

_LONGEST = 256  # pixels of an image's long side: twice what it is shown at, for sharp displays
_QUALITY = 88
_SIGNS = 16  # of an id below a result

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --panel: #f6f7f9; --cell: #eceef1; --ink: #1b1f24; --faint: #5f6873;
  --rule: #dadee3; --right: RIGHT; --wrong: WRONG; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --panel: #1c2024; --cell: #2a2f35; --ink: #e8eaed;
  --faint: #a0a8b2; --rule: #343a41; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1640px; padding: 2rem clamp(1rem, 2.5vw, 2.5rem) 3rem; background: var(--paper);
  color: var(--ink); font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; text-wrap: balance; }
h2 { margin: 2.25rem 0 .75rem; font-size: 1.15rem; }
.legend { margin: .5rem 0 0; color: var(--faint); }
.legend .mark { margin: 0 .3rem 0 .9rem; vertical-align: middle; }
.query { display: grid; grid-template-columns: 16.5rem minmax(0, 1fr); gap: 1.25rem; padding: 1rem;
  margin-bottom: .75rem; background: var(--panel); border: 1px solid var(--rule); border-radius: 10px; }
figure, ol { margin: 0; padding: 0; }
img { display: block; width: 100%; height: auto; aspect-ratio: 1; object-fit: contain; background: var(--cell); }
.asked { display: grid; grid-template-columns: 6.25rem minmax(0, 1fr); gap: .8rem; align-content: start; }
.asked img { border-radius: 6px; }
h3 { margin: 0; font-size: .85rem; line-height: 1.3; overflow-wrap: anywhere; }
.asked p { margin: .15rem 0 0; color: var(--faint); font-size: .8rem; line-height: 1.35; }
.asked .ap { color: var(--ink); font-size: 1.1rem; }
abbr { text-decoration: none; }
.results { display: grid; grid-template-columns: repeat(10, minmax(0, 1fr)); gap: .75rem .6rem; list-style: none;
  align-content: start; }
.frame { position: relative; border: 5px solid; border-radius: 6px; overflow: hidden; }
.right .frame { border-color: var(--right); }
.wrong .frame { border-color: var(--wrong); }
.frame .mark { position: absolute; right: 2px; bottom: 2px; }
.mark { display: inline-grid; place-items: center; width: 1.35rem; height: 1.35rem; border: 2px solid #fff;
  border-radius: 50%; color: #fff; font: bold .8rem/1 sans-serif; }
.right .mark { background: var(--right); }
.wrong .mark { background: var(--wrong); }
.results figcaption { margin-top: .3rem; font-size: .82rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
.rank { margin-right: .5em; }
.rank, .id { color: var(--faint); }
.id { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: .7rem; }
@media (max-width: 72rem) { .results { grid-template-columns: repeat(5, minmax(0, 1fr)); } }
@media (max-width: 44rem) { .query { grid-template-columns: minmax(0, 1fr); }
  .results { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
@media print { body { max-width: none; padding: 0; } .query { break-inside: avoid; } }
""".replace("RIGHT", css(RIGHT)).replace("WRONG", css(WRONG))

_MARKS = {True: ("right", "✓"), False: ("wrong", "✗")}


def page(entries: list[Entry], title: str, file: Path) -> None:
    """Write a gallery as a page: headings for the groups, each query beside its results.

    Args:
        entries: in the order of the page, those of a group together.
        title: of the page.
        file: to write.

    Raises:
        GlrError: there are no entries.
    """
    check_entries(entries)
    sections = "\n".join(_section(group, list(rows)) for group, rows in groupby(entries, key=lambda entry: entry.group))
    legend = "".join(
        f'<span class="{word}"><span class="mark" aria-hidden="true">{sign}</span>{word}</span>'
        for word, sign in _MARKS.values()
    )
    # The policy has the browser refuse whatever an id might smuggle in.
    text = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{html.escape(title)}</h1>
<p class="legend">Each query with its results, the most similar first. {legend}</p>
</header>
<main>
{sections}
</main>
</body>
</html>
"""
    file.write_text(text, encoding="utf-8", errors="replace")


def _section(group: str, entries: list[Entry]) -> str:
    queries = "\n".join(_query(entry) for entry in entries)
    return f"<section>\n<h2>{html.escape(group.capitalize())} queries</h2>\n{queries}\n</section>"


def _query(entry: Entry) -> str:
    name = html.escape(entry.query_id)
    breakable = re.sub("[/_.-]", r"\g<0><wbr>", name)
    facts = "".join(f"<p>{fact}</p>" for fact in entry.facts)
    results = "\n".join(_result(rank, result) for rank, result in enumerate(entry.results, start=1))
    return f"""<article class="query">
<figure class="asked">
{_image(entry.image, f"query {name}", name)}
<figcaption><h3>{breakable}</h3>
<p class="ap"><abbr title="average precision">AP</abbr> {entry.average_precision:.3f}</p>{facts}</figcaption>
</figure>
<ol class="results">
{results}
</ol>
</article>"""


def _result(rank: int, result: Result) -> str:
    word, sign = _MARKS[result.relevant]
    name = html.escape(result.image_id)
    return f"""<li class="{word}"><figure>
<div class="frame">
{_image(result.image, f"rank {rank}, {word}: {name}", f"{name}, similarity {result.score:.6f}")}
<span class="mark" role="img" aria-label="{word}">{sign}</span>
</div>
<figcaption><span class="rank">{rank}</span><span class="score">{result.score:.3f}</span>
<span class="id" title="{name}">{html.escape(_short(result.image_id))}</span></figcaption>
</figure></li>"""


def _short(name: str) -> str:
    """An id without its middle where it is long: ids that follow each other differ at the end."""
    return name if len(name) <= _SIGNS else f"{name[: _SIGNS // 2]}…{name[-(_SIGNS // 2) :]}"


def _image(image: np.ndarray, alt: str, tooltip: str) -> str:
    """An image in the page itself; `alt` and `tooltip` are escaped already."""
    smaller = min(1.0, _LONGEST / max(image.shape[:2]))
    if smaller < 1:
        size = max(round(image.shape[1] * smaller), 1), max(round(image.shape[0] * smaller), 1)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    height, width = image.shape[:2]
    source = _encoded(image)
    return (
        f'<img src="{source}" width="{width}" height="{height}" alt="{alt}" title="{tooltip}" '
        'loading="lazy" decoding="async">'
    )


def _encoded(image: np.ndarray) -> str:
    """A data URI, JPEG or PNG: what is smaller, which for drawings is the one that keeps their edges."""
    pixels = np.ascontiguousarray(image[..., ::-1])
    jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    png = cv2.imencode(".png", pixels)[1].tobytes()
    kind, data = ("jpeg", jpeg) if len(jpeg) < len(png) else ("png", png)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
