"""A list near <body> is taken for a menu by resiliparse, up to 2.0.1, and dropped: those that are none are sunk deeper."""

from __future__ import annotations

from resiliparse.parse.html import ElementNode, HTMLTree

from pipeline.extraction.boilerplate import characters, linked_characters

_MAX_LINK_SHARE = 0.5
_ENOUGH_DEPTH = 3  # elements that resiliparse wants between <body> and a <ul> before it believes that the list is content
_SHALLOW = "body > ul, body > * > ul, body > * > * > ul"
_FRAME = ("nav", "header", "footer", "aside")


def sink(tree: HTMLTree) -> None:
    """Wrap the lists near <body> that are no menus.

    A list is a menu where most of its characters are links' (Kohlschütter et al. 2010, "Boilerplate Detection using Shallow
    Text Features"), or where it stands in the page's frame.
    """
    if tree.body is None:
        return
    for element in tree.body.query_selector_all(_SHALLOW).values():
        above = _above(element)
        menu = len(above) >= _ENOUGH_DEPTH or set(above) & set(_FRAME)
        if not menu and linked_characters(element) <= _MAX_LINK_SHARE * characters(element):
            for _ in range(_ENOUGH_DEPTH - len(above)):
                _wrap(tree, element)


def _wrap(tree: HTMLTree, element: ElementNode) -> None:
    """Put a <div> around an element."""
    around = tree.create_element("div")
    if around is not None:
        element.replace_with(around)
        around.append_child(element)


def _above(element: ElementNode) -> list[str | None]:
    """The names of the elements between <body> and this one."""
    names, parent = [], element.parent_element
    while parent is not None and parent.tag != "body":
        names.append(parent.tag)
        parent = parent.parent_element
    return names
