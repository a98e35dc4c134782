"""YAML that two readers could not read differently: no key twice, no alias, one form of letters."""

import unicodedata
from typing import cast

import yaml


def ambiguity(text: str) -> str:
    """What in a YAML text has two readings, with its line; empty if nothing has.

    Raises yaml.YAMLError where the text is not YAML.
    """
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
        return "an alias of another part"
    if not unicodedata.is_normalized("NFC", text):
        return "letters written in two parts (not Unicode NFC)"
    twice = _key_twice(yaml.compose(text, Loader=yaml.SafeLoader))
    if twice is None:
        return ""
    return f"the key {twice.value!r} twice, line {twice.start_mark.line + 1}"


def _key_twice(node: yaml.Node | None) -> yaml.Node | None:
    """The first key that its mapping has already, anywhere below this node."""
    seen: set[str] = set()
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if str(key.value) in seen:
            return cast(yaml.Node, key)
        seen.add(str(key.value))
        if twice := _key_twice(value):
            return twice
    below = node.value if isinstance(node, yaml.SequenceNode) else ()
    return next((twice for one in below if (twice := _key_twice(one))), None)
