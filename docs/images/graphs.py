"""Panels of values over time: lines, states and heat maps, and the map."""

import datetime
import math

import units
from svg import color_of, field_of, frame, nothing, words_of
from theme import cut, mixed, on_bar, width_of

# Size of the text of axes and legends, and the height of a line of a legend.
SMALL, LEGEND_LINE = 12, 24
# The share of a panel that a legend may take; what is longer scrolls.
MOST_BELOW, MOST_BESIDE = 0.35, 0.6
CALCULATIONS = {"lastNotNull": "Last *", "min": "Min", "max": "Max"}
# Roughly the middle of the countries of the made-up installation.
PLACES = {"DE": (51, 10), "US": (39, -98), "RU": (60, 90), "IN": (22, 79), "BR": (-10, -53)}


def colors(panel, series, theme):
    """Returns the colour of each series: that of its name, or the next of the palette."""
    chosen = []
    for index, one in enumerate(series):
        fixed = field_of(panel, one.name)["color"].get("fixedColor")
        chosen.append(theme.color(fixed) if fixed else theme.palette[index % len(theme.palette)])
    return chosen


def figures(one, field, calculations):
    """Returns the figures of a legend as texts."""
    known = [value for _, value in one.points]
    values = {"lastNotNull": one.last, "min": min(known), "max": max(known)}
    return [
        units.shown(values[name], field["unit"], field.get("decimals")) for name in calculations
    ]


def beside(drawing, panel, entries, room):
    """Draws a legend as a table at the right. Returns the place of the plot."""
    x, y, width, height = room
    options = panel["options"]["legend"]
    titles = [CALCULATIONS[name] for name in options["calcs"]]
    columns = [
        max(width_of(words, SMALL) for words in [head, *(one[2][at] for one in entries)]) + 16
        for at, head in enumerate(titles)
    ]
    natural = max(width_of(name, SMALL) for name, _, _ in entries) + 40 + sum(columns)
    full = min(options.get("width", natural), width * MOST_BESIDE)
    left = x + width - full
    drawing.clip(left, y, full, height)
    drawing.text(left + 24, y + 12, "Name", SMALL, drawing.theme.link)
    ends = [x + width - sum(columns[at + 1 :]) - 8 for at in range(len(columns))]
    for words, end in zip(titles, ends):
        drawing.text(end, y + 12, words, SMALL, drawing.theme.link, text_anchor="end")
    for index, (name, fill, texts) in enumerate(entries):
        baseline = y + 36 + index * LEGEND_LINE
        drawing.rect(left + 2, baseline - 6, 14, 4, fill, rx=1)
        words = cut(name, full - sum(columns) - 32, SMALL)
        drawing.text(left + 24, baseline, words, SMALL)
        for words, end in zip(texts, ends):
            drawing.text(end, baseline, words, SMALL, text_anchor="end")
    drawing.unclip()
    if 24 + len(entries) * LEGEND_LINE > height + 4:
        drawing.rect(x + width - 4, y, 4, height * 0.5, drawing.theme.muted, rx=2)
    return x, y, width - full - 8, height


def below(drawing, panel, entries, room):
    """Draws a legend as a list below. Returns the place of the plot."""
    x, y, width, height = room
    calculations = panel["options"]["legend"]["calcs"]
    places, at, line = [], x, 0
    for name, _, texts in entries:
        more = [f"{CALCULATIONS[one]}: {words}" for one, words in zip(calculations, texts)]
        words = "  ".join([name, *more])
        wide = width_of(words, SMALL) + 20
        if at > x and at + wide > x + width:
            at, line = x, line + 1
        places.append((at, line, words))
        at += wide + 16
    full = min((line + 1) * LEGEND_LINE, height * MOST_BELOW)
    top = y + height - full
    drawing.clip(x, top, width, full)
    for (_, fill, _), (at, number, words) in zip(entries, places):
        baseline = top + 16 + number * LEGEND_LINE
        drawing.rect(at, baseline - 6, 14, 4, fill, rx=1)
        drawing.text(at + 20, baseline, cut(words, width - 20, SMALL), SMALL)
    drawing.unclip()
    if (line + 1) * LEGEND_LINE > full + 4:
        drawing.rect(x + width - 4, top, 4, full * 0.5, drawing.theme.muted, rx=2)
    return x, y, width, height - full


def legend(drawing, panel, entries, room):
    """Draws the legend of (name, colour, figures). Returns the place of the plot."""
    place = below if panel["options"]["legend"]["placement"] == "bottom" else beside
    return place(drawing, panel, entries, room)


class Scale:
    """A vertical axis: its range, its round steps and its unit."""

    def __init__(self, values, unit, decimals, height):
        low, high = min(0, *values), max(0, *values)
        high += (high == low) + (high - low) * 0.02
        about = (high - low) / max(height / 45, 2)
        digit = 10 ** math.floor(math.log10(about))
        self.step = next(digit * one for one in (1, 2, 2.5, 5, 10) if digit * one >= about * 0.999)
        if unit == "bytes":
            self.step = 2 ** math.ceil(math.log2(about))
        if decimals == 0:
            self.step = max(self.step, 1)
        self.low = math.floor(low / self.step) * self.step
        self.high = math.ceil(high / self.step) * self.step
        self.unit, self.decimals = unit, decimals
        count = round((self.high - self.low) / self.step)
        self.marks = [self.low + index * self.step for index in range(count + 1)]

    def labels(self):
        """Returns the texts of the marks."""
        # Rounded, as Grafana does with the digits of the step.
        return [units.shown(round(one, 6), self.unit, self.decimals) for one in self.marks]

    def width(self):
        """Returns the width of the axis."""
        return max(width_of(words, SMALL) for words in self.labels()) + 14

    def place(self, value, upper, height):
        """Returns the height of a value in pixels."""
        return upper + height * (1 - (value - self.low) / (self.high - self.low))


def stacked_lines(series, fields):
    """Returns the points of each series, on top of those below it if it is stacked."""
    lines, base = [], {}
    for one, field in zip(series, fields):
        stacking = field.get("custom.stacking", field["custom"]["stacking"])["mode"]
        if stacking != "normal":
            lines.append(one.points)
            continue
        line = {t: v + base.get(t, 0) for t, v in one.points}
        # A series without a point at some time hides nothing of those below it.
        base |= line
        lines.append(sorted(line.items()))
    return lines


def segments(points, step):
    """Returns the parts of a line between which samples are missing."""
    parts = [[]]
    for point in points:
        if parts[-1] and point[0] - parts[-1][-1][0] > 1.5 * step:
            parts.append([])
        parts[-1].append(point)
    return parts


def timeseries(drawing, panel, series):
    """Draws lines or stacked areas over time with their legend."""
    theme = drawing.theme
    room = frame(drawing, panel)
    if not series:
        nothing(drawing, panel, room)
        return
    fields = [field_of(panel, one.name) for one in series]
    fills = colors(panel, series, theme)
    calculations = panel["options"]["legend"]["calcs"]
    entries = [
        (field.get("displayName", one.name), fill, figures(one, field, calculations))
        for one, field, fill in zip(series, fields, fills)
    ]
    x, y, width, height = legend(drawing, panel, entries, room)
    lines = stacked_lines(series, fields)
    upper, tall = y + 4, height - 28
    scales = {}
    for unit in dict.fromkeys(field["unit"] for field in fields):
        values = [v for line, f in zip(lines, fields) if f["unit"] == unit for _, v in line]
        decimals = panel["fieldConfig"]["defaults"].get("decimals")
        scales[unit] = Scale(values, unit, decimals, tall)
    first, *further = scales.values()
    left = x + first.width()
    across = width - first.width() - sum(one.width() for one in further) - 8
    for one, edge, anchor in [(first, left - 6, "end"),
                              *((one, left + across + 6, "start") for one in further)]:
        for value, words in zip(one.marks, one.labels()):
            at = one.place(value, upper, tall)
            if one is first:
                drawing.rect(left, at, across, 1, theme.grid)
            drawing.text(edge, at + 4, words, SMALL, theme.muted, text_anchor=anchor)
    days(drawing, (left, upper, across, tall))
    start, end = drawing.range
    drawing.clip(left, upper - 2, across, tall + 4)
    # Areas from the top of the stack to its floor, then the lines over them.
    loose = lambda field: field.get("custom.stacking", {}).get("mode") == "none"
    drawn = sorted(reversed(list(zip(lines, fields, fills))), key=lambda one: loose(one[1]))
    for line, field, fill in drawn:
        scale = scales[field["unit"]]
        place = lambda t, v: (left + across * (t - start) / (end - start),
                              scale.place(v, upper, tall))
        one_line(drawing, [place(t, v) for t, v in line], (field, fill),
                 scale.place(max(scale.low, 0), upper, tall), across / 168)
    drawing.unclip()


def one_line(drawing, points, look, floor, step):
    """Draws a line and the area below it."""
    field, fill = look
    custom = field["custom"]
    stacked = field.get("custom.stacking", custom["stacking"])["mode"] == "normal"
    opacity = field.get("custom.fillOpacity", custom["fillOpacity"]) / 100
    for part in segments(points, step * 1.5):
        if custom["lineInterpolation"] == "stepAfter":
            corners = [p for a, b in zip(part, part[1:]) for p in (a, (b[0], a[1]))]
            part = corners + part[-1:]
        closed = [(part[0][0], floor), *part, (part[-1][0], floor)]
        if stacked:
            drawing.path(closed, "none", fill=drawing.theme.panel)
        if opacity:
            drawing.path(closed, "none", fill=fill, opacity=opacity)
        drawing.path(part, fill)


def days(drawing, plot):
    """Draws vertical lines with the dates below."""
    left, upper, across, tall = plot
    first, last = drawing.range
    day = 86400 * (1 if across > 400 else 2)
    at = first - first % 86400 + 86400
    while at < last:
        mark = left + across * (at - first) / (last - first)
        drawing.rect(mark, upper, 1, tall, drawing.theme.grid)
        date = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%m/%d")
        drawing.text(mark, upper + tall + 18, date, SMALL, drawing.theme.muted,
                     text_anchor="middle")
        at += day


def timeline(drawing, panel, series):
    """Draws a bar per series whose colour is its state."""
    theme = drawing.theme
    room = frame(drawing, panel)
    if not series:
        nothing(drawing, panel, room)
        return
    field = panel["fieldConfig"]["defaults"]
    opacity = field["custom"]["fillOpacity"] / 100
    values = dict.fromkeys(value for one in series for _, value in one.points)
    look = {value: (words_of(value, field), color_of(value, field, theme)) for value in values}
    entries = [(words, fill, []) for words, fill in dict.fromkeys(look.values())]
    x, y, width, height = legend(drawing, panel, entries, room)
    names = max(width_of(one.name, SMALL) for one in series) + 24
    left, across, tall = x + names, width - names - 8, height - 26
    days(drawing, (left, y, across, tall))
    start, end = drawing.range
    row = tall / len(series)
    drawing.clip(x, y - 4, width, height)
    for index, one in enumerate(series):
        top = y + row * index
        bar = row * panel["options"]["rowHeight"]
        drawing.text(left - 16, top + bar / 2 + 4, one.name, SMALL, theme.muted,
                     text_anchor="end")
        for since, until, value in states(one.points, end):
            words, fill = look[value]
            fill = mixed(fill, theme.panel, opacity)
            at = left + across * (since - start) / (end - start)
            wide = across * (until - since) / (end - start)
            drawing.rect(at, top, max(wide, 1), bar, fill)
            characters = int(wide / 9.5)
            if characters >= 2:
                drawing.text(at + 4, top + bar / 2 + 4, words[:characters], SMALL,
                             on_bar(fill), font_weight=500)
    drawing.unclip()


def states(points, end):
    """Returns the spans of equal values: from, until and value."""
    spans = []
    step = min((b[0] - a[0] for a, b in zip(points, points[1:])), default=3600)
    for part in segments(points, step):
        for time, value in part:
            if not spans or spans[-1][2] != value or spans[-1][1] < time:
                spans.append([time, time, value])
            spans[-1][1] = min(time + step, end)
    return spans


def heatmap(drawing, panel, series):
    """Draws how many values fell into each bucket over time."""
    theme = drawing.theme
    x, y, width, height = frame(drawing, panel)
    if not series:
        nothing(drawing, panel, (x, y, width, height))
        return
    bounds = sorted(series, key=lambda one: float(one.labels["le"]))
    unit = panel["options"]["yAxis"]["unit"]
    names = [
        "+Inf" if one.labels["le"] == "+Inf" else units.shown(float(one.labels["le"]), unit)
        for one in bounds
    ]
    left = x + max(width_of(name, SMALL) for name in names) + 14
    across, tall = x + width - left - 8, height - 56
    row = tall / len(bounds)
    before, cells = {}, []
    for index, one in enumerate(bounds):
        now = dict(one.points)
        cells += [(t, index, v - before.get(t, 0)) for t, v in now.items()]
        before = now
    most = max(v for *_, v in cells) or 1
    start, end = drawing.range
    wide = across / 168
    days(drawing, (left, y, across, tall))
    drawing.clip(left, y, across, tall)
    for time, index, value in cells:
        if value <= 0:
            continue
        fill = mixed("#c6dbef" if theme.dark else "#08306b", "#0b2c5e" if theme.dark else "#deebf7",
                     (value / most) ** 0.5)
        at = left + across * (time - start) / (end - start)
        drawing.rect(at - wide, y + tall - (index + 1) * row, wide, row - 1, fill)
    drawing.unclip()
    for index, name in enumerate(names):
        drawing.text(left - 6, y + tall - index * row - row / 2 + 4, name, SMALL, theme.muted,
                     text_anchor="end")
    drawing.text(x, y + height - 4, "0", SMALL, theme.muted)
    for index in range(60):
        fill = mixed("#c6dbef" if theme.dark else "#08306b", "#0b2c5e" if theme.dark else "#deebf7",
                     (index / 60) ** 0.5)
        drawing.rect(x + 14 + index * 3, y + height - 16, 3, 14, fill)
    drawing.text(x + 200, y + height - 4, units.shown(most, "short"), SMALL, theme.muted)


def geomap(drawing, panel, series):
    """Draws circles where the countries are, without the map, which needs the public internet."""
    theme = drawing.theme
    x, y, width, height = frame(drawing, panel)
    if not series:
        nothing(drawing, panel, (x, y, width, height))
        return
    most = max(one.last for one in series)
    drawing.rect(x, y, width, height, theme.empty)
    for one in series:
        country = one.labels["country"]
        if country not in PLACES:
            continue
        latitude, longitude = PLACES[country]
        at = x + width * (longitude + 180) / 360, y + height * (90 - latitude) / 180
        fill = mixed("#08306b", "#6baed6", one.last / most)
        drawing.circle(*at, 4 + 20 * one.last / most, fill, fill_opacity=0.6)
        drawing.text(*at, country, 11, text_anchor="middle")
