"""HTML templates: Jinja2 escapes every value, because names and parameters of runs may hold markup.

Characters that reorder the text around them become escapes, too.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from glr.config.printing import printable


def template(module: str) -> Template:
    """Load the template beside a module: `page.html.jinja` for `page.py`. It may include files beside this module.

    Args:
        module: `__file__` of the module.
    """
    file = Path(module).with_suffix(".html.jinja")
    environment = Environment(
        loader=FileSystemLoader([file.parent, Path(__file__).parent]),
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,  # not Markup, which is made here
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(file.name)
