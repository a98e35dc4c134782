"""The templates of pages: names are escaped, what is missing is an error, tags leave no lines."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def page_templates(*folders: Path) -> Environment:
    """Templates of the folders, the first that has a name; filters and globals are the caller's."""
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
