"""Sends the queries of a dashboard to Prometheus, as Grafana does."""

import re

# Points per graph above which Grafana uses longer steps.
MAX_POINTS = 1000


class Choice:
    """A value for each variable of a dashboard: one from `one`, or all if the variable offers this.

    Of the variables in `narrowed` it is one in any case.
    """

    def __init__(self, server, board, one, *, everything, narrowed=()):
        # By format. None is the format that Grafana's data source uses if an expression names none.
        self.values = {}
        for variable in board["templating"]["list"]:
            name = variable["name"]
            if variable["type"] == "datasource":
                self.values[name] = as_is("made-up")
            elif variable["type"] == "adhoc":
                continue
            elif variable["type"] == "custom":
                self.values[name] = as_is(variable["current"]["value"])
            else:
                found = label_values(server, self.replace(variable["query"]["query"]))
                if not found:
                    raise ValueError(f"variable {name}: no values")
                value = one.get(name, found[0])
                if value not in found:
                    raise ValueError(f"variable {name}: {value} is not among {found[:5]}")
                every = everything and variable["includeAll"] and name not in narrowed
                self.values[name] = as_is(variable["allValue"]) if every else {
                    "regex": re.sub(r"[\\^$*+?.()|{}\[\]/]", r"\\\g<0>", value),
                    None: for_many(value) if variable["includeAll"] else for_one(value),
                }

    def replace(self, text, **built_in):
        """Returns the text with all variables replaced."""
        values = self.values | {name: as_is(value) for name, value in built_in.items()}

        def value(match):
            name, form = match[1] or match[3], match[2]
            if name not in values:
                raise ValueError(f"${name} is not a variable")
            return values[name][form]

        return re.sub(r"\$(?:\{(\w+)(?::(\w+))?\}|(\w+))", value, text)


def as_is(value):
    """Returns a value that is never escaped: for all, a window or an interval."""
    return {None: value, "regex": value}


def for_one(value):
    """Escapes the value of a single-value variable as a string, as incompletely as Grafana does."""
    return value.replace("\\", r"\\").replace("'", r"\\'")


def for_many(value):
    """Escapes the value of a multi-value variable as a pattern within a string, except double quotes."""
    return re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value.replace("\\", r"\\\\"))


def label_values(server, query):
    """Evaluates the `label_values` function of Grafana's variables."""
    match = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
    if not match:
        raise ValueError(f"unsupported variable query: {query}")
    return server.get(f"label/{match[2]}/values", **{"match[]": match[1]})


def run_target(server, choice, target, span, end, scrape):
    """Runs one target over a span that ends at `end`. Returns the number of series with numbers."""
    step = max(span // MAX_POINTS, scrape)
    expr = choice.replace(
        target["expr"],
        __interval=f"{step}s",
        __range=f"{span}s",
        __rate_interval=f"{max(step + scrape, 4 * scrape)}s",
    )
    if target.get("instant"):
        found = server.get("query", query=expr, time=end)["result"]
        points = [[row["value"]] for row in found]
    else:
        start = end - span
        found = server.get("query_range", query=expr, start=start, end=end, step=step)["result"]
        points = [row["values"] for row in found]
    return sum(any(value not in ("NaN", "+Inf", "-Inf") for _, value in row) for row in points)


def targets(board):
    """Yields every query of a dashboard with its title."""
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target
    for annotation in board["annotations"]["list"]:
        if "target" in annotation:
            yield f"annotation {annotation['name']}", annotation["target"]
