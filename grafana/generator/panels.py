"""Panels: one function per kind, which returns the JSON for Grafana."""

from .dashboard import DATASOURCE

LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


# Colours of states, after the palette of Okabe and Ito: people with any colour vision can tell them
# apart. They mean the same wherever they stand, and a word always stands beside them. They fill
# cells and figures, in which Grafana writes in white up to a brightness of 180, and in black above.
# So none of them is of a middle brightness, where neither can be read.
DEAD_COLOR, AT_RISK_COLOR, UNOBSERVED_COLOR = "#C04A00", "#FFAA33", "#A8528F"
ALIVE_COLOR, PENDING_COLOR, PRIVATE_COLOR = "#00825F", "#C3C9D2", "#5B616D"
# What needs no colour: the text has the colour of the theme.
PLAIN_CELL = "transparent"
# The same colours for all else that is good or bad.
JUDGEMENTS = {
    "green": ALIVE_COLOR, "yellow": AT_RISK_COLOR, "orange": AT_RISK_COLOR, "red": DEAD_COLOR,
    "purple": UNOBSERVED_COLOR,
}
# Colours of lines and areas with fixed names: none of them is the colour of a state, and each
# stands out on a black and on a white background.
LINES = ["#2F6FDB", "#2AA0C0", "#94703F", "#A67FE0"]
LABELS = {"{{family}}": ["ipv4", "ipv6"], "{{source}}": ["tracker", "dht"]}


def steps(first, *further):
    """Returns thresholds: a colour, then (from, colour) pairs."""
    all_steps = [{"color": JUDGEMENTS.get(first, first), "value": None}]
    all_steps += [
        {"color": JUDGEMENTS.get(color, color), "value": start} for start, color in further
    ]
    return {"mode": "absolute", "steps": all_steps}


def words(**texts):
    """Returns a value mapping: words(_0=("down", "red")) shows a red "down" for 0."""
    options = {
        key.removeprefix("_"): {
            "text": text, "color": JUDGEMENTS.get(color, color), "index": index,
        }
        for index, (key, (text, color)) in enumerate(texts.items())
    }
    return [{"type": "value", "options": options}]


PLAIN = steps("text")
NEUTRAL = steps("blue")
# One blue: the dark end of a scale of blues is unreadable.
BLUE = {"mode": "fixed", "fixedColor": "blue"}
GOOD_IF_ZERO = steps(ALIVE_COLOR, (1, DEAD_COLOR))
UP_DOWN = words(_0=("down", DEAD_COLOR), _1=("up", ALIVE_COLOR))
# In a table only what is bad has a colour.
UP_DOWN_CELL = words(_0=("down", DEAD_COLOR), _1=("up", PLAIN_CELL))
SOME_IS_BAD = steps(PLAIN_CELL, (1, DEAD_COLOR))


def target(expr, legend="", ref="A", *, instant=False, form="time_series"):
    """Returns one query."""
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expr,
        "legendFormat": legend,
        "format": form,
        "instant": instant,
        "range": not instant,
    }


def targets(queries, **options):
    """Returns the queries for one expression, or for (legend, expression) pairs."""
    if isinstance(queries, str):
        queries = [("", queries)]
    return [
        target(expr, legend, LETTERS[index], **options)
        for index, (legend, expr) in enumerate(queries)
    ]


def panel(kind, title, description, queries, *, empty, unit="short", decimals=None, **defaults):
    """Returns what all kinds share. `empty` says why a panel may have no data: a text, or a pair of a
    short text for a narrow panel and a full one."""
    if not isinstance(empty, str):
        _, empty = empty
    field = {"unit": unit, "noValue": empty, "mappings": [], "thresholds": PLAIN}
    if decimals is not None:
        field["decimals"] = decimals
    custom = defaults.pop("custom", {})
    field |= defaults | {"custom": custom}
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": queries,
        "fieldConfig": {"defaults": field, "overrides": []},
        "interval": "1m",
        "options": {},
    }


# Without this, no data would have the colour of the lowest threshold, which often means good.
NOTHING = {
    "type": "special",
    "options": {"match": "null+nan", "result": {"color": "#686E7A", "index": 9}},
}
# The longest text that stays readable in place of a large figure.
READABLE = 20


def figures(kind, title, description, queries, *, empty, mappings=(), **rest):
    """Returns a panel of full counts. A short text stands for a missing one; the description says more."""
    if not isinstance(empty, str):
        empty, more = empty
        description += f" “{empty}”: {more[0].lower()}{more[1:]}"
    assert len(empty) <= READABLE, (title, empty)
    return panel(
        kind, title, description, queries, empty=empty, mappings=[*mappings, NOTHING],
        **{"unit": "locale"} | rest,
    )


def stat(title, description, queries, *, thresholds=NEUTRAL, form="time_series", **rest):
    """Returns a panel of large figures: current values. Those that are good or bad are filled."""
    result = figures(
        "stat", title, description, targets(queries, instant=True, form=form),
        thresholds=thresholds, color={"mode": "thresholds"}, **rest,
    )
    result["options"] = {
        "reduceOptions": LAST,
        "colorMode": "value" if thresholds is NEUTRAL else "background_solid",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    }
    return result


def series(title, description, queries, *, stacked=False, fill=10, step=False, long_names=False,
           **rest):
    """Returns a panel of lines over time. The width of long names is limited."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 60 if stacked else fill,
        "lineInterpolation": "stepAfter" if step else "linear",
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "axisSoftMin": 0,
    }
    result = panel(
        "timeseries", title, description, targets(queries), custom=custom,
        color={"mode": "palette-classic"}, **rest,
    )
    result["options"] = {
        "legend": {
            "showLegend": True,
            "displayMode": "table",
            "placement": "right",
            "calcs": ["lastNotNull", "min", "max"],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    if long_names:
        result["options"]["legend"] |= {"width": 300, "calcs": ["lastNotNull"]}
    names = [LABELS.get(legend, [legend]) for legend, _ in queries]
    fixed = [name for found in names for name in found if "{{" not in name]
    assert len(fixed) <= len(LINES), (title, fixed)
    for name, color in zip(fixed, LINES):
        result["fieldConfig"]["overrides"].append(colored(name, color))
    return result


def colored(name, color):
    """Returns the override that gives the series of this name a colour."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
    }


def timeline(title, description, queries, mappings, **rest):
    """Returns one coloured bar per series: its state over time."""
    result = panel(
        "state-timeline", title, description, targets(queries), mappings=mappings,
        custom={"fillOpacity": 80, "lineWidth": 0}, color={"mode": "thresholds"}, **rest,
    )
    result["options"] = {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.85,
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return result


def bars(title, description, expr, legend, **rest):
    """Returns one bar per series: its current value."""
    result = figures(
        "bargauge", title, description, targets([(legend, expr)], instant=True), min=0,
        color=BLUE, **rest,
    )
    result["options"] = {
        "reduceOptions": LAST,
        "displayMode": "gradient",
        "orientation": "horizontal",
        # Names of torrents and trackers are long: each has a line of its own.
        "namePlacement": "top",
        "valueMode": "color",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 30,
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
    }
    return result


def heatmap(title, description, expr, *, unit, **rest):
    """Returns a heat map of a histogram over time."""
    queries = [target(expr, "{{le}}", form="heatmap")]
    result = panel("heatmap", title, description, queries, unit=unit, **rest)
    result["options"] = {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Blues", "steps": 64, "reverse": False,
                  "exponent": 0.5, "fill": "blue"},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
    }
    return result


def world(title, description, expr, **rest):
    """Returns a map of countries. The viewer's browser fetches its tiles from the public internet."""
    queries = [target(expr, instant=True, form="table")]
    result = panel(
        "geomap", title, description, queries, color={"mode": "continuous-blues"},
        custom={"hideFrom": {"legend": False, "tooltip": False, "viz": False}}, **rest,
    )
    style = {
        "size": {"field": "Value", "fixed": 5, "min": 4, "max": 24},
        "color": {"field": "Value", "fixed": "blue"},
        "opacity": 0.6,
        "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
        "text": {"mode": "field", "field": "country", "fixed": ""},
        "textConfig": {"fontSize": 11, "offsetX": 0, "offsetY": 0, "textAlign": "center",
                       "textBaseline": "middle"},
    }
    layer = {
        "type": "markers",
        "name": "Peers",
        "tooltip": True,
        "config": {"showLegend": False, "style": style},
        "location": {"mode": "lookup", "lookup": "country",
                     "gazetteer": "public/gazetteer/countries.json"},
    }
    result["options"] = {
        "basemap": {"type": "default", "name": "Map", "config": {}},
        "layers": [layer],
        "view": {"id": "zero", "lat": 20, "lon": 0, "zoom": 1, "allLayers": True},
        "controls": {"showZoom": True, "mouseWheelZoom": False, "showAttribution": True,
                     "showScale": False, "showMeasure": False, "showDebug": False},
        "tooltip": {"mode": "details"},
    }
    return result


# Width of narrow columns of labels that need another one than 120 pixels.
NARROW = {
    "cause": 220, "family": 80, "instance": 170, "place": 85, "collection": 140, "version": 90,
}
# Width of the arrow beside the heading that a table is sorted by, in pixels.
ARROW = 22


def width_of(heading, least=78):
    """Returns the width of a heading in Grafana's font with its margins, in pixels."""
    return max(7 * len(heading) + 24, least)


# Text in the colour of a state would be too pale on one of the two themes: the cell is filled.
FILLED = {"id": "custom.cellOptions", "value": {"type": "color-background", "mode": "basic"}}


def column(name, expr, *, unit="locale", decimals=None, mappings=None, thresholds=None, width=None,
           bar=False):
    """Returns a column of a table: its query gives one value per row. Counts are shown in full."""
    properties = [
        {"id": "unit", "value": unit},
        {"id": "custom.width", "value": width or width_of(name, 180 if bar else 78)},
    ]
    if decimals is not None:
        properties.append({"id": "decimals", "value": decimals})
    if mappings:
        properties += [{"id": "mappings", "value": mappings}, FILLED]
    if thresholds:
        properties += [{"id": "thresholds", "value": thresholds}, FILLED]
    if bar:
        cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        properties.append({"id": "custom.cellOptions", "value": cell})
        properties.append({"id": "color", "value": BLUE})
        properties.append({"id": "min", "value": 0})
        # Otherwise the largest number of the whole table is the full length of a bar.
        properties.append({"id": "fieldMinMax", "value": True})
    return {"name": name, "expr": expr, "properties": properties}


def table(title, description, keys, columns, *, empty, sort, descending=True, links=None,
          narrow=()):
    """Returns a table of rows joined over the key labels. Rows without the first column are left out.

    `keys` maps a label to the heading of its column, `links` a label to the link of its cells. The
    columns of labels share the width that the numbers leave, except `narrow` ones; if all are narrow,
    the numbers share it.
    """
    queries = [
        target(item["expr"], "", LETTERS[index], instant=True, form="table")
        for index, item in enumerate(columns)
    ]
    result = panel("table", title, description, queries, empty=empty)
    names = {f"Value #{LETTERS[index]}": item["name"] for index, item in enumerate(columns)}
    # If only one query has an answer, Grafana gives it no letter.
    names["Value"] = columns[0]["name"]
    order = {name: index for index, name in enumerate([*keys, *names])}
    present = {"fieldName": columns[0]["name"], "config": {"id": "isNotNull", "options": {}}}
    result["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": order,
                                       "renameByName": keys | names}},
        {"id": "filterByValue",
         "options": {"type": "include", "match": "all", "filters": [present]}},
    ]
    overrides = list(NO_CELL)
    overrides += [
        {"matcher": {"id": "byName", "options": item["name"]}, "properties": item["properties"]}
        for item in columns
    ]
    for item in columns:
        if item["name"] == sort:
            item["properties"][1]["value"] += ARROW
        if set(narrow) == set(keys):
            item["properties"][1]["id"] = "custom.minWidth"
    overrides += headed(keys, links, {"custom.minWidth": 180, "custom.filterable": True})
    overrides += [
        {"matcher": {"id": "byName", "options": keys[label]},
         "properties": [{"id": "custom.width", "value": NARROW.get(label, 120)}]}
        for label in narrow
    ]
    result["fieldConfig"]["defaults"]["custom"] = {"align": "auto"}
    result["fieldConfig"]["overrides"] = overrides
    result["options"] = {
        "showHeader": True,
        "cellHeight": "sm",
        "frameIndex": 0,
        "sortBy": [{"displayName": sort, "desc": descending}],
    }
    return result


# Otherwise a cell without a value would show the text for an empty table. A missing name is blank,
# because the cell may be a link.
NO_CELL = [
    {"matcher": {"id": "byType", "options": kind}, "properties": [{"id": "noValue", "value": text}]}
    for kind, text in [("number", "–"), ("string", "")]
]


def headed(headings, links, properties):
    """Returns overrides for the columns of labels: these properties, and links in their cells."""
    overrides = []
    for label, heading in headings.items():
        found = [{"id": name, "value": value} for name, value in properties.items()]
        if link := (links or {}).get(label):
            found.append({"id": "links", "value": [link]})
        if found:
            overrides.append({"matcher": {"id": "byName", "options": heading}, "properties": found})
    return overrides


def labels_table(title, description, expr, headings, *, empty, links=None, widths=None, sort=None,
                 inspected=()):
    """Returns a table of the labels of series, one row each. Labels without a width share the rest.

    The cells of `inspected` labels have a button that shows what does not fit.
    """
    result = panel(
        "table", title, description, [target(expr, instant=True, form="table")], empty=empty,
        custom={"align": "auto", "minWidth": 100},
    )
    result["fieldConfig"]["overrides"] = [*NO_CELL, *headed(headings, links, {})]
    for label, width in (widths or {}).items():
        result["fieldConfig"]["overrides"].append({
            "matcher": {"id": "byName", "options": headings[label]},
            "properties": [{"id": "custom.width", "value": width}],
        })
    for label in inspected:
        result["fieldConfig"]["overrides"].append({
            "matcher": {"id": "byName", "options": headings[label]},
            "properties": [{"id": "custom.inspect", "value": True}],
        })
    order = {name: index for index, name in enumerate(headings)}
    result["transformations"] = [
        {"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True},
                                       "indexByName": order, "renameByName": headings}},
    ]
    result["options"] = {
        "showHeader": True,
        "cellHeight": "sm",
        "frameIndex": 0,
        "sortBy": [{"displayName": headings[sort], "desc": False}] if sort else [],
    }
    return result
