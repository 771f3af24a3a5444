"""HTML templates: Jinja2 escapes every value, because names and parameters of runs may hold markup."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template


def template(module: str) -> Template:
    """Load the template beside a module: `page.html.jinja` for `page.py`. It may include files beside this module.

    Args:
        module: `__file__` of the module.
    """
    file = Path(module).with_suffix(".html.jinja")
    environment = Environment(
        loader=FileSystemLoader([file.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(file.name)
