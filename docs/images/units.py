"""Numbers as Grafana writes them."""

import math
import time

STEPS_OF_TIME = [(31_556_900, "years"), (604_800, "weeks"), (86_400, "days"), (3600, "hours"),
                 (60, "mins"), (1, "s")]


def decimals_for(value):
    """Returns the decimals that Grafana gives to a number if none are configured."""
    if value == 0 or value % 1 == 0:
        return 0
    digits = 1 - math.floor(math.log10(abs(value)))
    return max(digits + (abs(value) * 10**digits > 22.5), 0)


def fixed(value, decimals=None):
    """Returns a number without a unit."""
    return f"{value:.{decimals_for(value) if decimals is None else decimals}f}"


def scaled(value, factor, units, decimals=None):
    """Returns a number in the largest unit that leaves at least 1 before the point."""
    at = 0
    while abs(value) >= factor and at < len(units) - 1:
        value, at = value / factor, at + 1
    return fixed(value, decimals) + units[at]


def seconds(value, decimals=None):
    """Returns a duration."""
    if value == 0:
        return "0 s"
    for size, name in STEPS_OF_TIME:
        if abs(value) >= size:
            return f"{fixed(value / size, decimals)} {name}"
    return scaled(value * 1e6, 1000, [" µs", " ms", " s"], decimals)


def from_now(milliseconds):
    """Returns how long ago a time is, in words."""
    past = time.time() - milliseconds / 1000
    for most, size, one, many in [
        (45, 1, "a few seconds", "{} seconds"), (90 * 60, 60, "a minute", "{} minutes"),
        (22 * 3600, 3600, "an hour", "{} hours"), (26 * 86400, 86400, "a day", "{} days"),
        (320 * 86400, 30.4 * 86400, "a month", "{} months"),
    ]:
        if past < most:
            count = round(past / size)
            return (one if count <= 1 or size == 1 else many.format(count)) + " ago"
    return f"{max(round(past / 86400 / 365), 1)} years ago"


def grouped(value, decimals=None):
    """Returns a number in full with separators."""
    text = f"{value:,.{3 if decimals is None else decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown(value, unit, decimals=None):
    """Returns a number as Grafana writes it in this unit."""
    if unit.startswith("suffix:"):
        return fixed(value, decimals) + unit.removeprefix("suffix:")
    if unit == "percentunit":
        return fixed(value * 100, decimals) + "%"
    if unit == "s":
        return seconds(value, decimals)
    if unit == "dateTimeFromNow":
        return from_now(value)
    if unit == "locale":
        return grouped(value, decimals)
    if unit == "bytes":
        return scaled(value, 1024, [" B", " KiB", " MiB", " GiB"], decimals)
    if unit == "reqps":
        return scaled(value, 1000, [" req/s", "K req/s"], decimals)
    if unit == "short":
        return scaled(value, 1000, ["", " K", " Mil", " Bil"], decimals)
    return fixed(value, decimals)
