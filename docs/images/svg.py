"""Draws the panels of a dashboard as SVG, in the manner of Grafana's dark theme."""

import datetime
import html
import time

FONT = "Inter, 'DejaVu Sans', sans-serif"
CANVAS, PANEL, BORDER = "#111217", "#181b1f", "#2c2f36"
TEXT, MUTED, LINK, GRID = "#ccccdc", "#8e8e99", "#6e9fff", "#26292f"
COLORS = {
    "green": "#73bf69", "yellow": "#fade2a", "blue": "#5794f2", "orange": "#ff9830",
    "red": "#f2495c", "purple": "#b877d9", "gray": "#8e8e99", "text": TEXT,
}
# Grafana's classic palette, in its order.
PALETTE = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9"]
# The grid of Grafana: 24 columns, rows of 30 pixels, gaps of 8.
WIDTH, ROW, GAP = 1600, 30, 8
# Average width of a character in pixels, as a share of the font size.
CHARACTER = 0.56


class Drawing:
    """SVG elements in a coordinate system of pixels."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.parts = [f'<rect width="{width}" height="{height}" fill="{CANVAS}"/>']

    def rect(self, x, y, width, height, fill, **more):
        """A rectangle; further attributes have underscores for hyphens."""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" '
            f'fill="{fill}"{attributes(more)}/>'
        )

    def text(self, x, y, words, size=13, fill=TEXT, **more):
        """One line of text; y is its baseline."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}"{attributes(more)}>'
            f"{html.escape(words)}</text>"
        )

    def path(self, points, stroke, *, fill="none", opacity=1.0):
        """A line through points, or an area."""
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polyline points="{line}" fill="{fill}" fill-opacity="{opacity}" stroke="{stroke}" '
            'stroke-width="1.3"/>'
        )

    def svg(self):
        """The whole document."""
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" font-family="{FONT}">\n{body}\n</svg>\n'
        )


def attributes(more):
    """Keyword arguments as attributes."""
    return "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())


def on_color(fill):
    """The colour of text on a filled panel or cell: dark on light colours."""
    red, green, blue = (int(fill[at : at + 2], 16) for at in (1, 3, 5))
    return PANEL if 0.3 * red + 0.59 * green + 0.11 * blue > 150 else "#ffffff"


def box(panel):
    """The place of a panel in pixels."""
    place = panel["gridPos"]
    column = (WIDTH + GAP) / 24
    return (
        place["x"] * column, place["y"] * (ROW + GAP),
        place["w"] * column - GAP, place["h"] * (ROW + GAP) - GAP,
    )


def shown(value, unit, decimals=None):
    """A number as Grafana writes it in this unit."""
    if value is None:
        return "–"
    if unit == "s":
        for size, name in ((86400, "days"), (3600, "hours"), (60, "mins")):
            if value >= size:
                return f"{value / size:.3g} {name}"
        return f"{value:.3g} s"
    if unit == "dateTimeFromNow":
        return shown(time.time() - value / 1000, "s") + " ago"
    if unit == "short" and value >= 1000:
        return f"{value / 1000:.3g} K"
    if decimals is None:
        decimals = 0 if value == int(value) else 1
    return f"{value:,.{decimals}f}"


def color_of(value, field):
    """The colour of the mapping or threshold that a value falls under; None for no value."""
    if value is None:
        return MUTED
    for mapping in field.get("mappings", []):
        found = mapping["options"].get(f"{value:g}") if mapping["type"] == "value" else None
        if found:
            return COLORS.get(found["color"], found["color"])
    color = TEXT
    for step in field.get("thresholds", {}).get("steps", []):
        if step["value"] is None or value >= step["value"]:
            color = COLORS.get(step["color"], step["color"])
    return color


def words_of(value, field):
    """The text of a value: that of its mapping, or the number in its unit."""
    for mapping in field.get("mappings", []):
        found = mapping["options"].get(f"{value:g}") if mapping["type"] == "value" and value is not None else None
        if found:
            return found["text"]
    return shown(value, field.get("unit", "short"), field.get("decimals"))


def cut(words, width, size=13):
    """A text that fits into a width."""
    most = int(width / (size * CHARACTER))
    return words if len(words) <= most else words[: max(most - 1, 1)] + "…"


def frame(drawing, panel):
    """The background and title of a panel; gives the room inside."""
    x, y, width, height = box(panel)
    drawing.rect(x, y, width, height, PANEL, stroke=BORDER, rx=2)
    drawing.text(x + 10, y + 21, panel["title"], 14, font_weight=500)
    return x + 10, y + 34, width - 20, height - 42


def row(drawing, panel, _series):
    """A heading over panels."""
    x, y, _, height = box(panel)
    drawing.text(x + 4, y + height - 9, "⌄  " + panel["title"], 15, font_weight=500)


def stat(drawing, panel, series):
    """Large figures side by side."""
    x, y, width, height = frame(drawing, panel)
    field = panel["fieldConfig"]["defaults"]
    filled = panel["options"]["colorMode"] == "background"
    if filled:
        fill = color_of(series[0].last if series else None, field)
        outer = box(panel)
        drawing.rect(*outer, fill, stroke=fill, rx=2)
        drawing.text(x, outer[1] + 21, panel["title"], 14, on_color(fill), font_weight=500)
    named = len(series) > 1
    if not series:
        drawing.text(x + width / 2, y + height / 2 + 6, field["noValue"], 18, MUTED, text_anchor="middle")
    for index, one in enumerate(series):
        middle = x + width * (index + 0.5) / len(series)
        fill = color_of(one.last, field)
        fill = on_color(fill) if filled else fill
        drawing.text(
            middle, y + height / 2 + 16, words_of(one.last, field), 34 if named else 44, fill,
            text_anchor="middle", font_weight=500,
        )
        if named:
            drawing.text(middle, y + height / 2 - 24, one.name, 13, text_anchor="middle")


def column_fields(panel, name):
    """The field configuration of a table column: the defaults, and what its name overrides."""
    field = dict(panel["fieldConfig"]["defaults"])
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"] == {"id": "byName", "options": name}:
            field |= {one["id"]: one["value"] for one in override["properties"]}
    return field


def table(drawing, panel, content):
    """A table; `content` is its headings and its rows of cells."""
    headings, rows = content
    x, y, width, height = frame(drawing, panel)
    fields = [column_fields(panel, name) for name in headings]
    fixed = [field.get("custom.width") for field in fields]
    rest = (width - sum(one or 0 for one in fixed)) / max(fixed.count(None), 1)
    widths = [one or rest for one in fixed]
    if not rows:
        drawing.text(x, y + 30, cut(panel["fieldConfig"]["defaults"]["noValue"], width), 13, MUTED)
        return
    lefts = [x + sum(widths[:index]) for index in range(len(widths))]
    sort = panel["options"]["sortBy"]
    for left, name, field in zip(lefts, headings, fields):
        right = "custom.width" in field and "unit" in field and field["unit"] != "short"
        arrow = " ↓" if sort and sort[0]["displayName"] == name else ""
        cell(drawing, left, y + 17, widths[headings.index(name)], name + arrow, LINK, right, font_weight=500)
    most = int(height // 36) - 1
    for number, cells in enumerate(rows[:most]):
        top = y + 26 + number * 36
        drawing.rect(x, top, width, 1, BORDER)
        for left, room, value, field in zip(lefts, widths, cells, fields):
            one_cell(drawing, left, top, room, value, field)


def one_cell(drawing, left, top, room, value, field):
    """The text, coloured number or bar of one value."""
    if isinstance(value, str):
        cell(drawing, left, top + 23, room, value, LINK if "links" in field and value else TEXT, False)
        return
    kind = field.get("custom.cellOptions", {}).get("type")
    fill = color_of(value, field) if kind == "color-text" else TEXT
    if kind == "color-background" and value is not None:
        back = color_of(value, field)
        drawing.rect(left + 2, top + 2, room - 4, 32, back)
        fill = on_color(back)
    if kind == "gauge" and value is not None:
        share = value / max(field["max"], 1)
        drawing.rect(left + 6, top + 7, (room - 76) * share, 22, COLORS["blue"], fill_opacity=0.55)
    cell(drawing, left, top + 23, room, words_of(value, field), fill, True)


def cell(drawing, left, baseline, room, words, fill, right, **more):
    """A text at the left or right edge of its cell."""
    at = left + room - 8 if right else left + 8
    drawing.text(
        at, baseline, cut(words, room - 14), 13, fill, text_anchor="end" if right else "start", **more
    )


def bargauge(drawing, panel, series):
    """Horizontal bars in the order of the query, with their names above."""
    x, y, width, height = frame(drawing, panel)
    longest = max((one.last for one in series), default=1)
    step = min(height / max(len(series), 1), 42)
    for index, one in enumerate(series):
        top = y + index * step
        drawing.text(x, top + 13, cut(one.name, width), 13)
        room = width - 70
        drawing.rect(x, top + 18, room, step - 22, "#22252b")
        drawing.rect(x, top + 18, room * one.last / longest, step - 22, COLORS["blue"], fill_opacity=0.6)
        drawing.text(x + width, top + step / 2 + 12, shown(one.last, "locale"), 14, COLORS["blue"], text_anchor="end")


def colors(panel, series):
    """The colour of each series: that of its name, or the next of the palette."""
    chosen = []
    for index, one in enumerate(series):
        field = column_fields(panel, one.name)
        fixed = field["color"].get("fixedColor")
        chosen.append(COLORS.get(fixed, fixed) if fixed else PALETTE[index % len(PALETTE)])
    return chosen


def scale(most):
    """A round step of the vertical axis, for about four lines."""
    step = 1
    while most / step > 5:
        step *= 2.5 if str(step)[0] == "2" else 2
    return step


def timeseries(drawing, panel, series):
    """Lines or stacked areas over time with their legend."""
    x, y, width, height = frame(drawing, panel)
    custom = panel["fieldConfig"]["defaults"]["custom"]
    stacked = custom["stacking"]["mode"] == "normal"
    fills = colors(panel, series)
    for one in series:
        one.name = column_fields(panel, one.name).get("displayName", one.name)
    lines, base = [], {}
    for one in series:
        line = {t: v + base.get(t, 0) if stacked else v for t, v in one.points}
        # A series without a point at some time hides nothing of those below it.
        base |= line
        lines.append(sorted(line.items()))
    plot = legend(drawing, panel, series, fills, (x, y, width, height))
    times = [t for line in lines for t, _ in line]
    first, last = min(times), max(times)
    step = scale(max(v for line in lines for _, v in line) * 1.08)
    top = step * (int(max(v for line in lines for _, v in line) * 1.02 / step) + 1)
    left, upper, room, tall = plot
    place = lambda t, v: (left + room * (t - first) / (last - first), upper + tall * (1 - v / top))
    axes(drawing, plot, (first, last), (step, top))
    floor = upper + tall
    for line, fill in reversed(list(zip(lines, fills))):
        points = [place(t, v) for t, v in line]
        if custom["lineInterpolation"] == "stepAfter":
            points = [p for a, b in zip(points, points[1:]) for p in (a, (b[0], a[1]))] + points[-1:]
        closed = [(points[0][0], floor), *points, (points[-1][0], floor)]
        if stacked:
            drawing.path(closed, "none", fill=PANEL)
        drawing.path(closed, "none", fill=fill, opacity=custom["fillOpacity"] / 100)
        drawing.path(points, fill)


def axes(drawing, plot, times, values):
    """Grid lines with dates below and numbers at the left."""
    left, upper, room, tall = plot
    (first, last), (step, top) = times, values
    value = 0
    while value <= top:
        at = upper + tall * (1 - value / top)
        drawing.rect(left, at, room, 1, GRID)
        drawing.text(left - 6, at + 4, shown(value, "short"), 12, MUTED, text_anchor="end")
        value += step
    day = 86400 * (1 if room > 400 else 2)
    at = first - first % 86400 + 86400
    while at < last:
        mark = left + room * (at - first) / (last - first)
        drawing.rect(mark, upper, 1, tall, GRID)
        date = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%m/%d")
        drawing.text(mark, upper + tall + 17, date, 12, MUTED, text_anchor="middle")
        at += day


def legend(drawing, panel, series, fills, room):
    """Names and figures of the series, below or at the right; gives the place of the plot."""
    x, y, width, height = room
    options = panel["options"]["legend"]
    if options["placement"] == "bottom":
        labels = [f"{one.name}  Last: {shown(one.last, 'short')}" for one in series]
        places, at, line = [], x, 0
        for words in labels:
            if at + len(words) * 6.6 + 20 > x + width:
                at, line = x, line + 1
            places.append((at, line))
            at += len(words) * 6.6 + 36
        for words, fill, (at, number) in zip(labels, fills, places):
            baseline = y + height - 2 - (line - number) * 20
            drawing.rect(at, baseline - 6, 14, 4, fill, rx=1)
            drawing.text(at + 20, baseline, words, 12)
        return x + 42, y + 6, width - 48, height - 48 - line * 20
    columns = [("Last *", 150), ("Min", 75), ("Max", 0)]
    for words, back in columns:
        drawing.text(x + width - back, y + 10, words, 12, LINK, text_anchor="end")
    for index, (one, fill) in enumerate(zip(series, fills)):
        at = y + 34 + index * 24
        drawing.rect(x + width - 300, at - 6, 14, 4, fill, rx=1)
        drawing.text(x + width - 278, at, one.name, 12)
        known = [value for _, value in one.points]
        for value, (_, back) in zip((one.last, min(known), max(known)), columns):
            drawing.text(x + width - back, at, shown(value, "short"), 12, text_anchor="end")
    return x + 42, y + 6, width - 370, height - 30


KINDS = {
    "row": row, "stat": stat, "table": table, "bargauge": bargauge, "timeseries": timeseries,
}


def draw(panels):
    """A dashboard: each panel with what its queries found."""
    height = max(sum(box(panel)[1::2]) for panel, _ in panels) + 2 * GAP
    drawing = Drawing(WIDTH, int(height))
    for panel, found in panels:
        KINDS[panel["type"]](drawing, panel, found)
    return drawing.svg()
