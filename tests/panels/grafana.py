"""What Grafana asks Prometheus on behalf of a dashboard."""

import re

# Of a graph, at which Grafana makes the steps longer.
MOST_POINTS = 1000


class Choice:
    """A value for each variable of a dashboard: these, or all where it offers that."""

    def __init__(self, server, board, one, *, everything):
        # By format; None is what Grafana's data source does where an expression names no format.
        self.values = {}
        for variable in board["templating"]["list"]:
            name = variable["name"]
            if variable["type"] == "datasource":
                self.values[name] = as_is("made-up")
            elif variable["type"] == "custom":
                self.values[name] = as_is(variable["current"]["value"])
            else:
                found = label_values(server, self.replace(variable["query"]["query"]))
                if not found:
                    raise ValueError(f"variable {name}: no values")
                value = one.get(name, found[0])
                if value not in found:
                    raise ValueError(f"variable {name}: {value} is not among {found[:5]}")
                every = everything and variable["includeAll"]
                self.values[name] = as_is(variable["allValue"]) if every else {
                    "regex": re.sub(r"[\\^$*+?.()|{}\[\]/]", r"\\\g<0>", value),
                    None: for_many(value) if variable["includeAll"] else for_one(value),
                }

    def replace(self, text, **built_in):
        """The text with every variable in its place."""
        values = self.values | {name: as_is(value) for name, value in built_in.items()}

        def value(match):
            name, form = match[1] or match[3], match[2]
            if name not in values:
                raise ValueError(f"${name} is no variable")
            return values[name][form]

        return re.sub(r"\$(?:\{(\w+)(?::(\w+))?\}|(\w+))", value, text)


def as_is(value):
    """Values for all, windows and intervals are never escaped."""
    return {None: value, "regex": value}


def for_one(value):
    """A variable that takes one value is escaped as a string, and that not well."""
    return value.replace("\\", r"\\").replace("'", r"\\'")


def for_many(value):
    """One that takes several is escaped as a pattern within a string, but for double quotes."""
    return re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value.replace("\\", r"\\\\"))


def label_values(server, query):
    """What the function of Grafana's variables gives."""
    match = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
    if not match:
        raise ValueError(f"not understood: {query}")
    return server.get(f"label/{match[2]}/values", **{"match[]": match[1]})


def ask(server, choice, target, span, end, scrape):
    """Runs one target over a span that ends at `end`: the number of series with a number in them."""
    step = max(span // MOST_POINTS, scrape)
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
    """Every query of a dashboard with what it is for."""
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target
    for annotation in board["annotations"]["list"]:
        if "target" in annotation:
            yield f"annotation {annotation['name']}", annotation["target"]
