"""Draws a dashboard: each panel with the function of its kind."""

import theme as themes
from blocks import bargauge, stat, table
from graphs import geomap, heatmap, timeline, timeseries
from svg import GAP, MARGIN, WIDTH, Drawing, box, heading

KINDS = {
    "row": heading, "stat": stat, "table": table, "bargauge": bargauge, "timeseries": timeseries,
    "state-timeline": timeline, "heatmap": heatmap, "geomap": geomap,
}


def draw(panels, theme, span):
    """Returns a dashboard as SVG: each panel with what its queries found, over a span of time."""
    height = max(sum(box(panel)[1::2]) for panel, _ in panels) + 2 * GAP
    drawing = Drawing(WIDTH, int(height), themes.Theme(theme))
    drawing.range = span
    for panel, found in panels:
        x, y, width, tall = box(panel)
        drawing.clip(x - 1, y - 1, min(width + 2, WIDTH - MARGIN), tall + 2)
        KINDS[panel["type"]](drawing, panel, found)
        drawing.unclip()
    return drawing.svg()
