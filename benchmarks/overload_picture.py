"""Draws the course of the floods of `benchmarks.overload` as SVG."""

from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 900, 360, 60, 40, 30

_COLORS = {"made": "#1b7837", "refused": "#b2182b"}


def draw(
    series: Mapping[str, Sequence[int]], floods: Sequence[tuple[float, float, float]], capacity: float
) -> str:
    """`series` has registrations in each second, by outcome; `floods` their start, rate and seconds."""
    seconds = max(map(len, series.values())) or 1
    highest = max(max(map(max, series.values())), max(rate for _, rate, _ in floods)) * 1.05

    def x(second: float) -> float:
        return LEFT + second / seconds * (WIDTH - LEFT - 10)

    def y(rate: float) -> float:
        return HEIGHT - BOTTOM - rate / highest * (HEIGHT - BOTTOM - TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    ]
    for start, rate, length in floods:
        width = x(start + length) - x(start)
        parts.append(
            f'<rect x="{x(start):.1f}" y="{y(rate):.1f}" width="{width:.1f}" '
            f'height="{y(0) - y(rate):.1f}" fill="#dddddd"/>'
            f'<text x="{x(start) + 4:.1f}" y="{y(rate) - 4:.1f}">offered: {rate / capacity:.0f} times</text>'
        )
    parts.append(
        f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y(capacity):.1f}" y2="{y(capacity):.1f}" stroke="#555555" '
        f'stroke-dasharray="4"/><text x="{LEFT + 4}" y="{y(capacity) - 4:.1f}">capacity</text>'
    )
    for name, counts in series.items():
        points = " ".join(f"{x(second + 0.5):.1f},{y(count):.1f}" for second, count in enumerate(counts))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{_COLORS[name]}" stroke-width="2"/>')
    for number, name in enumerate(series):
        parts.append(
            f'<text x="{LEFT + 90 * number}" y="18" fill="{_COLORS[name]}" font-weight="bold">{name}/s</text>'
        )
    parts.extend(
        f'<text x="{x(second):.1f}" y="{HEIGHT - 20}" text-anchor="middle">{second} s</text>'
        for second in range(0, seconds + 1, 10)
    )
    parts.extend(
        f'<text x="{LEFT - 8}" y="{y(rate) + 4:.1f}" text-anchor="end">{rate:.0f}</text>'
        for rate in (0, highest / 2, highest)
    )
    return "\n".join([*parts, "</svg>\n"])
