"""Panels of current values: large figures, tables and bars."""

import math

from svg import color_of, field_of, frame, nothing, words_of
from theme import cut, mixed, on_fill, width_of

# Room at both sides of the text of a cell, and of the arrow and the filter in a heading.
PADDING, ARROW, FILTER = 6, 22, 22
CELL = 36
LINE = 1.2


def font_size(words, width, height, most=math.inf):
    """Returns the size at which Grafana's figures fit into a room."""
    return min(width / (width_of(words, 14) * 1.03 + 2) * 14, height / LINE, most)


def grid(width, height, count):
    """Returns the columns and rows of figures that make each one largest."""
    def side(across, along):
        at = math.ceil(math.sqrt(count * across / along))
        if math.floor(at * along / across) * at < count:
            return along / math.ceil(at * along / across)
        return across / at

    square = max(side(width, height), side(height, width))
    columns = max(math.floor(width / square + 1e-9), 1)
    rows = math.ceil(count / columns)
    return math.ceil(count / rows), rows


def stat(drawing, panel, series):
    """Draws large figures, whose size Grafana fits to their number and to the panel."""
    theme = drawing.theme
    x, y, width, height = frame(drawing, panel)
    field = panel["fieldConfig"]["defaults"]
    filled = panel["options"]["colorMode"].startswith("background")
    if not series:
        fill = color_of(None, field, theme)
        if filled:
            drawing.rect(x, y, width, height, fill, rx=3)
        figure(drawing, (x, y, width, height), (field["noValue"], ""), (field["noValue"], ""),
               on_fill(fill) if filled else fill)
        return
    shown_label = panel["options"]["reduceOptions"]["fields"]
    texts = [
        one.labels.get(shown_label, "") if shown_label else words_of(one.last, field)
        for one in series
    ]
    names = [one.name for one in series] if len(series) > 1 else [""]
    columns, rows = grid(width, height, len(series))
    room = (width - (columns - 1) * 8) / columns, (height - (rows - 1) * 8) / rows
    for index, (one, words, name) in enumerate(zip(series, texts, names)):
        left = x + index % columns * (room[0] + 8)
        top = y + index // columns * (room[1] + 8)
        fill = color_of(one.last, field, theme)
        longest = max(texts, key=len), max(names, key=len)
        if filled and fill:
            drawing.rect(left, top, *room, fill, rx=3)
        ink = on_fill(fill) if filled and fill else fill or theme.text
        figure(drawing, (left, top, *room), (words, name), longest, ink, ink if filled else None)


def figure(drawing, room, words, longest, fill, of_name=None):
    """Draws one figure with its name: beside it in a wide room, above it in others."""
    x, y, width, height = room
    (value, name), (value_most, name_most) = words, longest
    padding = 12 if height > 100 else 8
    across, along = width - 2 * padding, height - 2 * padding
    if not name_most:
        size = font_size(value_most, across, along)
        drawing.text(x + width / 2, y + height / 2 + size * 0.36, value, size, fill,
                     text_anchor="middle", font_weight=500)
    elif width / height > 2.5:
        size = font_size(value_most, across * 0.3, along)
        small = min(font_size(name_most, across * 0.6, along, 30), size * 0.7)
        drawing.text(x + padding, y + height / 2 + small * 0.36, name, small, of_name)
        drawing.text(x + width - padding, y + height / 2 + size * 0.36, value, size, fill,
                     text_anchor="end", font_weight=500)
    else:
        small = font_size(name_most, across, height * 0.15, 30)
        size = font_size(value_most, across, along - small * LINE)
        small = min(small, size * 0.7)
        top = y + (height - (small + size) * LINE) / 2
        drawing.text(x + padding, top + small, name, small, of_name)
        drawing.text(x + padding, top + small * LINE + size * 1.0, value, size, fill,
                     font_weight=500)


def widths_of(fields, width):
    """Returns the widths of the columns of a table: fixed ones, and equal shares of the rest."""
    fixed = [field.get("custom.width") for field in fields]
    least = [
        field.get("custom.minWidth", field.get("custom", {}).get("minWidth", 150))
        for field in fields
    ]
    rest = width - sum(one or 0 for one in fixed)
    open_columns = [index for index, one in enumerate(fixed) if one is None]
    result = list(fixed)
    # Columns whose share is below their least width take that; the others share what is left.
    for index in sorted(open_columns, key=lambda index: -least[index]):
        result[index] = max(rest / len(open_columns), least[index])
        open_columns = open_columns[:-1]
        rest -= result[index]
    return result


def table(drawing, panel, content):
    """Draws a table; `content` is its headings and its rows of cells."""
    theme = drawing.theme
    headings, rows = content
    x, y, width, height = frame(drawing, panel)
    if not rows:
        nothing(drawing, panel, (x, y, width, height))
        return
    fields = [field_of(panel, name) for name in headings]
    widths = widths_of(fields, width)
    lefts = [x + sum(widths[:index]) for index in range(len(widths))]
    sort = {one["displayName"]: " ↓" if one["desc"] else " ↑" for one in panel["options"]["sortBy"]}
    drawing.clip(x, y, width, height)
    for index, (left, name, field) in enumerate(zip(lefts, headings, fields)):
        number = any(not isinstance(row[index], str) for row in rows)
        room = widths[index] - 2 * PADDING
        room -= ARROW * (name in sort) + FILTER * bool(field.get("custom.filterable"))
        words = cut(name, room) + sort.get(name, "")
        cell(drawing, left, y + 23, widths[index], words, theme.link, number, font_weight=500)
    for number, cells in enumerate(rows[: int(height // CELL)]):
        top = y + CELL + number * CELL
        drawing.rect(x, top, width, 1, theme.border)
        for index, (left, room, value, field) in enumerate(zip(lefts, widths, cells, fields)):
            most = field.get("max") or max((row[index] or 0 for row in rows), default=0) \
                if not isinstance(value, str) else None
            one_cell(drawing, (left, top, room), value, field, most)
    drawing.unclip()
    below = len(rows) - int((height - CELL) // CELL)
    if below > 0:
        drawing.rect(x + width - 4, y + CELL, 4, height * 0.4, theme.muted, rx=2)
    if sum(widths) > width + 1:
        drawing.rect(x, y + height - 4, width * width / sum(widths), 4, theme.muted, rx=2)


def one_cell(drawing, place, value, field, most):
    """Draws the text, coloured number or bar of one value."""
    left, top, room = place
    theme = drawing.theme
    if isinstance(value, str):
        fill = theme.link if "links" in field and value else theme.text
        cell(drawing, left, top + 23, room, cut(value, room - 2 * PADDING), fill, False)
        return
    kind = field.get("custom.cellOptions", {}).get("type")
    fill = theme.text
    words = words_of(value, field)
    back = color_of(value, field, theme) if kind == "color-background" else None
    if back and value is not None:
        drawing.rect(left, top + 1, room, CELL - 1, back)
        fill = on_fill(back)
    if kind == "gauge" and value is not None:
        text = max(width_of(words) + 10, 40)
        full = max(room - text - 2 * PADDING, 0)
        drawing.rect(left + PADDING, top + 7, full, 22, theme.empty)
        back = mixed(theme.color("blue"), theme.panel, 0.6)
        drawing.rect(left + PADDING, top + 7, full * value / max(most or 1, 1e-9), 22, back)
    cell(drawing, left, top + 23, room, cut(words, room - 2 * PADDING), fill, True)


def cell(drawing, left, baseline, room, words, fill, right, **more):
    """Draws a text at the left or right edge of its cell."""
    at = left + room - PADDING if right else left + PADDING
    drawing.text(at, baseline, words, 14, fill, text_anchor="end" if right else "start", **more)


def bargauge(drawing, panel, series):
    """Draws horizontal bars in the order of the query, with their names above."""
    theme = drawing.theme
    x, y, width, height = frame(drawing, panel)
    if not series:
        nothing(drawing, panel, (x, y, width, height))
        return
    field = panel["fieldConfig"]["defaults"]
    longest = max(one.last for one in series) or 1
    options = panel["options"]
    step = height / len(series)
    name_height = max(min(step * 0.35, 50), 17)
    least = options["minVizHeight"] + name_height
    step = max(step, least)
    drawing.clip(x, y, width, height)
    texts = [words_of(one.last, field) for one in series]
    side = max(width_of(words, 14) for words in texts) + 16
    for index, (one, words) in enumerate(zip(series, texts)):
        top = y + index * step
        size = min(name_height / 1.5, 20)
        drawing.text(x, top + size, cut(one.name, width, size), size)
        tall = min(step - name_height - 6, options["maxVizHeight"])
        room = width - side
        fill = theme.color("blue")
        drawing.rect(x, top + name_height, room, tall, theme.empty)
        drawing.rect(x, top + name_height, room * one.last / longest, tall,
                     mixed(fill, theme.panel, 0.7))
        drawing.text(x + width, top + name_height + tall / 2 + 5, words, 14, fill,
                     text_anchor="end")
    drawing.unclip()
    if step * len(series) > height + 1:
        drawing.rect(x + width - 4, y, 4, height * 0.6, theme.muted, rx=2)
