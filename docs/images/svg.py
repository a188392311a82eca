"""Draws a dashboard as SVG, with the measures of Grafana's grid and the colours of its themes."""

import html

import theme as themes
import units

FONT = "Inter, 'DejaVu Sans', sans-serif"
# A window of 1,400 pixels, Grafana's margin, and its grid: 24 columns, rows of 30, gaps of 8.
WIDTH, MARGIN, ROW, GAP = 1400, 16, 30, 8
# Height of the head of a panel with its title.
HEAD = 32
# Width of the icon that stands beside the title of a panel with a description.
ICON = 24


class Drawing:
    """SVG elements in a coordinate system of pixels."""

    def __init__(self, width, height, theme):
        self.width, self.height, self.theme = width, height, theme
        self.parts = [f'<rect width="{width}" height="{height}" fill="{theme.canvas}"/>']
        self.clips = 0

    def rect(self, x, y, width, height, fill, **more):
        """Adds a rectangle; further attributes have underscores for hyphens."""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" '
            f'height="{max(height, 0):.1f}" fill="{fill}"{attributes(more)}/>'
        )

    def circle(self, x, y, radius, fill, **more):
        """Adds a circle."""
        place = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"'
        self.parts.append(f'<circle {place} fill="{fill}"{attributes(more)}/>')

    def text(self, x, y, words, size=14, fill=None, **more):
        """Adds one line of text; y is its baseline."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" '
            f'fill="{fill or self.theme.text}"{attributes(more)}>{html.escape(words)}</text>'
        )

    def path(self, points, stroke, *, fill="none", opacity=1.0):
        """Adds a line through points, or an area."""
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polyline points="{line}" fill="{fill}" fill-opacity="{opacity}" stroke="{stroke}" '
            'stroke-width="1.3"/>'
        )

    def clip(self, x, y, width, height):
        """Hides what follows outside of a rectangle, until `unclip`."""
        self.clips += 1
        self.parts.append(
            f'<clipPath id="c{self.clips}"><rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}"/></clipPath><g clip-path="url(#c{self.clips})">'
        )

    def unclip(self):
        """Ends what `clip` began."""
        self.parts.append("</g>")

    def svg(self):
        """Returns the whole document."""
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" font-family="{FONT}">\n{body}\n</svg>\n'
        )


def attributes(more):
    """Returns keyword arguments as attributes."""
    return "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())


def box(panel):
    """Returns the place of a panel in pixels."""
    place = panel["gridPos"]
    column = (WIDTH - 2 * MARGIN + GAP) / 24
    return (
        MARGIN + place["x"] * column, place["y"] * (ROW + GAP),
        place["w"] * column - GAP, place["h"] * (ROW + GAP) - GAP,
    )


def field_of(panel, name):
    """Returns the configuration of a field: the defaults, and what overrides of its name change."""
    field = dict(panel["fieldConfig"]["defaults"])
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"] == {"id": "byName", "options": name}:
            field |= {one["id"]: one["value"] for one in override["properties"]}
    return field


def mapping_of(value, field):
    """Returns the text and colour that a value is mapped to, or nothing."""
    for mapping in field.get("mappings", []):
        if mapping["type"] == "value" and value is not None:
            if found := mapping["options"].get(f"{value:g}"):
                return found
        if mapping["type"] == "special" and value is None:
            return mapping["options"]["result"]
    return {}


def color_of(value, field, theme):
    """Returns the colour of the mapping or threshold of a value; None is no colour."""
    if color := mapping_of(value, field).get("color"):
        return theme.color(color)
    if field.get("color", {}).get("mode") == "fixed":
        return theme.color(field["color"]["fixedColor"])
    color = "text"
    for step in field.get("thresholds", {}).get("steps", []):
        if step["value"] is None or (value is not None and value >= step["value"]):
            color = step["color"]
    return theme.color(color)


def words_of(value, field):
    """Returns the text of a value: that of its mapping, or the number in its unit."""
    if text := mapping_of(value, field).get("text"):
        return text
    if value is None:
        return "–"
    return units.shown(value, field.get("unit", "short"), field.get("decimals"))


def frame(drawing, panel):
    """Draws the background and title of a panel. Returns the room inside."""
    x, y, width, height = box(panel)
    drawing.rect(x, y, width, height, drawing.theme.panel, stroke=drawing.theme.border, rx=2)
    title(drawing, panel)
    return x + GAP, y + HEAD + GAP, width - 2 * GAP, height - HEAD - 2 * GAP


def title(drawing, panel):
    """Draws the title and the icon of the description."""
    x, y, width, _ = box(panel)
    words = themes.cut(panel["title"], width - 2 * GAP - ICON, 14)
    drawing.text(x + GAP, y + 21, words, 14, font_weight=500)
    at = x + GAP + themes.width_of(words, 14) + ICON / 2 + 2
    drawing.circle(at, y + 16, 6, "none", stroke=drawing.theme.muted)
    drawing.text(at, y + 19.5, "i", 9, drawing.theme.muted, text_anchor="middle")


def nothing(drawing, panel, room):
    """Draws what a panel without data says."""
    x, y, width, height = room
    words = panel["fieldConfig"]["defaults"]["noValue"]
    lines, line = [], ""
    for word in words.split():
        if line and themes.width_of(f"{line} {word}", 14) > width:
            lines, line = [*lines, line], ""
        line = f"{line} {word}".strip()
    for index, one in enumerate([*lines, line]):
        top = y + height / 2 - len(lines) * 10 + index * 20
        drawing.text(x + width / 2, top, one, 14, drawing.theme.muted, text_anchor="middle")


def heading(drawing, panel, _series):
    """Draws a heading over panels."""
    x, y, _, height = box(panel)
    drawing.text(x + 4, y + height - 9, "⌄  " + panel["title"], 15, font_weight=500)
