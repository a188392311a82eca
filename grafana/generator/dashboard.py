"""A dashboard without its panels: variables, links, time ranges, annotations, the grid."""

# The data source of every target, variable and annotation; the viewer chooses it.
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

# Grafana 11 to 13 all read this version and migrate it upwards.
SCHEMA_VERSION = 39
TAG = "seedwatch"

RANGES = [("Day", "now-24h"), ("Week", "now-7d"), ("Month", "now-30d"), ("Year", "now-1y")]

# Matches the instances that the viewer chose; part of every selector. The value for all also matches
# alerts about an instance that is missing, which have no such label.
OURS = 'job=~"$job",instance=~"$instance"'

# Patterns for the names of seedwatch's alerts: about what it watches, about itself, and all.
ALERTS_OF_SWARMS = "(Torrent|Collection|Tracker|AutonomousSystem).*"
ALERTS_OF_INSTANCES = "Seedwatch.*"
ALERTS = f"{ALERTS_OF_INSTANCES}|{ALERTS_OF_SWARMS}"

# The variables that links pass on to other dashboards, and the time range.
CARRIED = (
    "${datasource:queryparam}&${job:queryparam}&${instance:queryparam}&${filters:queryparam}"
    "&${__url_time_range}"
)


def drill_down(title, board, variable, value="${__value.raw:percentencode}"):
    """Returns a link from a value to the dashboard that shows more about it."""
    url = f"/d/seedwatch-{board}?var-{variable}={value}&{CARRIED}"
    return {"title": title, "url": url, "targetBlank": False}


def query_variable(name, label, query, *, many=False, all_value=".*", description=""):
    """Returns a variable that is filled from label values and refreshed with the time range."""
    variable = {
        "name": name,
        "label": label,
        "description": description,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"qryType": 1, "query": query, "refId": "variable"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "regex": "",
        "multi": many,
        "includeAll": many,
        "hide": 0,
        "options": [],
        "current": {},
    }
    if many:
        variable["allValue"] = all_value
        variable["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return variable


def choice_variable(name, label, values, default, description):
    """Returns a variable with fixed values."""
    options = [{"selected": v == default, "text": v, "value": v} for v in values]
    return {
        "name": name,
        "label": label,
        "description": description,
        "type": "custom",
        "query": ",".join(values),
        "multi": False,
        "includeAll": False,
        "hide": 0,
        "options": options,
        "current": {"selected": True, "text": default, "value": default},
    }


def common_variables():
    """Returns the variables that choose the Prometheus, job and instance."""
    datasource = {
        "name": "datasource",
        "label": "Data source",
        "description": "The Prometheus that scrapes seedwatch.",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "hide": 0,
        "options": [],
        "current": {},
    }
    filters = {
        "name": "filters",
        "label": "Filters",
        "description": "Further labels of targets, such as `cluster`. Grafana adds them to every query.",
        "type": "adhoc",
        "datasource": DATASOURCE,
        "hide": 0,
        "filters": [],
        "baseFilters": [],
    }
    return [
        datasource,
        filters,
        query_variable(
            "job", "Job", "label_values(seedwatch_build_info, job)", many=True,
            description="Scrape jobs of seedwatch.",
        ),
        query_variable(
            "instance", "Instance", 'label_values(seedwatch_build_info{job=~"$job"}, instance)',
            many=True,
            description="Instances of seedwatch. A torrent that several watch counts once.",
        ),
    ]


def alert_annotation(selector):
    """Returns an annotation that marks when alerts of seedwatch fired."""
    return {
        "name": "Alerts",
        "type": "dashboard",
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{torrent}} {{collection}} {{tracker}} {{country}}",
        "tagKeys": "severity",
        "target": {
            # Instances that watch the same torrents raise the same alerts.
            "expr": "max by (alertname, severity, torrent, collection, tracker, country) "
            f'(ALERTS{{{OURS},alertstate="firing",alertname=~"{ALERTS}"{selector}}})',
            "interval": "1m",
            "refId": "alerts",
        },
    }


def links(uid):
    """Returns links to the other dashboards, and to this one over a day, a week, a month and a year."""
    link = {
        "asDropdown": False,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "tags": [],
        "targetBlank": False,
        "tooltip": "",
        "url": "",
    }
    others = link | {"title": "seedwatch", "type": "dashboards", "tags": [TAG], "asDropdown": True}
    ranges = [
        link
        | {
            "title": title,
            "type": "link",
            "icon": "dashboard",
            "keepTime": False,
            "url": f"/d/{uid}?from={start}&to=now",
            "tooltip": f"The last {title.lower()}",
        }
        for title, start in RANGES
    ]
    return [others, *ranges]


def legend_below(panel):
    """Puts the legend of a narrow panel below: at the right it would take most of the width."""
    legend = panel.get("options", {}).get("legend", {})
    if legend.get("placement") == "right":
        legend |= {"placement": "bottom", "displayMode": "list", "calcs": ["lastNotNull"]}


class Board:
    """One dashboard: rows of panels from top to bottom."""

    def __init__(self, name, title, description, variables=(), alerts=""):
        self.uid = f"seedwatch-{name}"
        self.title = f"seedwatch / {title}"
        self.description = description
        self.variables = [*common_variables(), *variables]
        self.alerts = alerts
        self.panels = []
        self.height = 0

    def heading(self, title):
        """Adds a heading over the rows that follow."""
        row = {"type": "row", "title": title, "collapsed": False, "panels": []}
        self._put(row, 0, 24, 1)
        self.height += 1

    def row(self, height, *panels):
        """Adds panels side by side, each with its width; together they fill the 24 columns of the grid."""
        widths = [width for width, _ in panels]
        assert sum(widths) == 24, (self.uid, [panel["title"] for _, panel in panels])
        left = 0
        for width, panel in panels:
            if width < 12:
                legend_below(panel)
            self._put(panel, left, width, height)
            left += width
        self.height += height

    def _put(self, panel, left, width, height):
        place = {"x": left, "y": self.height, "w": width, "h": height}
        self.panels.append({"id": len(self.panels) + 1, "gridPos": place} | panel)

    def json(self):
        """Returns the classic dashboard model."""
        builtin = {
            "name": "Annotations & Alerts",
            "type": "dashboard",
            "builtIn": 1,
            "datasource": {"type": "grafana", "uid": "-- Grafana --"},
            "enable": True,
            "hide": True,
            "iconColor": "rgba(0, 211, 255, 1)",
        }
        return {
            "id": None,
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "timezone": "browser",
            "time": {"from": "now-7d", "to": "now"},
            "refresh": "5m",
            "timepicker": {
                "quick_ranges": [
                    {"display": f"Last {title.lower()}", "from": start, "to": "now"}
                    for title, start in RANGES
                ]
            },
            "annotations": {"list": [builtin, alert_annotation(self.alerts)]},
            "templating": {"list": self.variables},
            "links": links(self.uid),
            "panels": self.panels,
        }
