"""Colours and widths of text of Grafana's two themes."""

# Widths of the characters 32 to 126 of Inter, in hundredths of the font size.
WIDTHS = [
    28, 28, 40, 63, 64, 81, 64, 22, 36, 36, 50, 66, 28, 46, 28, 36, 62, 46, 61, 64, 64, 61, 62, 57,
    62, 62, 28, 28, 66, 66, 66, 51, 94, 68, 65, 73, 72, 60, 59, 74, 74, 26, 54, 65, 56, 89, 75, 76,
    63, 76, 64, 64, 64, 74, 68, 95, 64, 66, 62, 36, 36, 36, 47, 45, 50, 56, 62, 56, 62, 58, 36, 61,
    59, 24, 24, 54, 24, 87, 59, 60, 61, 61, 37, 52, 36, 58, 56, 81, 54, 56, 54, 36, 33, 36, 66,
]
SHADES = ["super-light-{}", "light-{}", "{}", "semi-dark-{}", "dark-{}"]
# The shades of each hue from light to dark. The light theme begins one shade further.
HUES = {
    "red": ["#FFA6B0", "#FF7383", "#F2495C", "#E02F44", "#C4162A", "#AD0317"],
    "orange": ["#FFCB7D", "#FFB357", "#FF9830", "#FF780A", "#FA6400", "#E55400"],
    "yellow": ["#FFF899", "#FFEE52", "#FADE2A", "#F2CC0C", "#E0B400", "#CC9D00"],
    "green": ["#C8F2C2", "#96D98D", "#73BF69", "#56A64B", "#37872D", "#19730E"],
    "blue": ["#C0D8FF", "#8AB8FF", "#5794F2", "#3274D9", "#1F60C4", "#1250B0"],
    "purple": ["#DEB6F2", "#CA95E5", "#B877D9", "#A352CC", "#8F3BB8", "#7C2EA3"],
}
# Grafana's classic palette, in its order.
PALETTE = [
    "green", "semi-dark-yellow", "light-blue", "semi-dark-orange", "red", "blue", "purple",
    "#705DA0", "dark-green", "yellow", "#447EBC", "#C15C17", "#890F02", "#0A437C", "#6D1F62",
    "#584477", "#B7DBAB", "#F4D598", "#70DBED", "#F9BA8F",
]


class Theme:
    """The colours of one theme by name."""

    def __init__(self, name):
        dark = name == "dark"
        self.name, self.dark = name, dark
        self.canvas, self.panel = ("#111217", "#181b1f") if dark else ("#f4f5f5", "#ffffff")
        self.border, self.grid = ("#2c2f36", "#26292f") if dark else ("#dfe0e2", "#ecedee")
        self.text, self.muted = ("#ccccdc", "#8e8e99") if dark else ("#24292e", "#5b6065")
        self.link, self.empty = ("#6e9fff", "#22252b") if dark else ("#1f62e0", "#f1f1f2")
        first = 0 if dark else 1
        self.names = {
            shade.format(hue): shades[first + index]
            for hue, shades in HUES.items() for index, shade in enumerate(SHADES)
        }
        self.names |= {"text": self.text, "gray": "#808080", "transparent": None}
        self.palette = [self.color(one) for one in PALETTE]

    def color(self, name):
        """Returns the colour of a name, or the colour itself."""
        return self.names.get(name, name)


def luminance(color):
    """Returns the relative luminance of a colour, as WCAG 2 defines it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Returns the contrast of two colours: 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def on_fill(fill):
    """Returns the colour of text on a filled figure or cell: Grafana asks for the brightness."""
    red, green, blue = (int(fill[at : at + 2], 16) for at in (1, 3, 5))
    dark = (299 * red + 587 * green + 114 * blue) / 1000 > 180
    return "#202226" if dark else "#f7f8fa"


def on_bar(fill):
    """Returns the colour of text on a bar of states: white down to a contrast of 3."""
    return "#ffffff" if contrast(fill, "#ffffff") >= 3 else "#000000"


def mixed(color, ground, share):
    """Returns a colour that covers a ground in part."""
    pairs = [(int(color[at : at + 2], 16), int(ground[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


def width_of(words, size=14):
    """Returns the width of a text in Inter, in pixels."""
    units = sum(WIDTHS[ord(one) - 32] if 32 <= ord(one) < 127 else 82 for one in words)
    return units * size / 100


def cut(words, room, size=14):
    """Returns a text that fits into a width, with an ellipsis if it is cut."""
    if width_of(words, size) <= room:
        return words
    while words and width_of(words + "…", size) > room:
        words = words[:-1]
    return words + "…"
