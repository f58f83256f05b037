"""The README's Python as it is printed, its addresses replaced."""

import re


def recipe(readme, section, addresses):
    """The first Python under a heading; each pair of `addresses` is what is printed and what stands in for it here."""
    with open(readme, encoding="utf-8") as file:
        text = file.read().split("### %s\n" % section, 1)[1].split("\n### ", 1)[0]
    printed = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    for there, here in addresses:
        if there not in printed:
            raise SystemExit("the README's program under %r does not name %s" % (section, there))
        printed = printed.replace(there, here)
    return printed
