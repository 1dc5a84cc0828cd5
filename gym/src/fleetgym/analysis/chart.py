"""The reward-curve chart as a Vega-Lite specification, and what draws it without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgym.analysis.curves import EXPERT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["PALETTE", "chart_specification", "drawing_code"]

PALETTE = (
    "#3b82c4",
    "#e08a1e",
    "#2f9e77",
    "#c2569a",
    "#7a6bd1",
    "#b5492f",
    "#1aa3b8",
    "#8a8f2a",
)
"""Told apart by people with the common color deficiencies, on white and on black, in this order."""

_EXPERT_COLOR = "#8b93a1"


def chart_specification(names: Sequence[str]) -> dict[str, Any]:
    """Return the chart of cumulative reward against steps.

    Its data set ``curves`` is to be filled with objects of ``name``, ``runs``, ``step``, ``mean``,
    ``low`` and ``high``.

    Args:
        names: Of all frameworks, in the order of their colors.
    """
    import altair as alt  # noqa: PLC0415 - takes half a second

    colors = [PALETTE[index % len(PALETTE)] for index in range(len(names))]
    domain = [*names, EXPERT]
    picked = alt.selection_point(fields=["name"], bind="legend")
    base = alt.Chart(alt.NamedData(name="curves")).encode(
        x=alt.X(
            "step:Q",
            title="tool calls",
            axis=alt.Axis(tickMinStep=1, grid=False),
            scale=alt.Scale(nice=False),
        ),
        color=alt.Color(
            "name:N",
            scale=alt.Scale(domain=domain, range=[*colors, _EXPERT_COLOR]),
            legend=alt.Legend(title=None, orient="bottom", labelLimit=300),
        ),
        opacity=alt.when(picked).then(alt.value(1.0)).otherwise(alt.value(0.12)),
    )
    band = base.mark_area(interpolate="step-after", fillOpacity=0.16, line=False).encode(
        y=alt.Y("low:Q", title="cumulative reward", scale=alt.Scale(domain=[0, 1], nice=False)),
        y2="high:Q",
    )
    line = base.mark_line(interpolate="step-after", strokeWidth=2.25).encode(
        y="mean:Q",
        strokeDash=alt.when(alt.datum.name == EXPERT)
        .then(alt.value([5, 4]))
        .otherwise(alt.value([1, 0])),
    )
    points = (
        base.mark_point(size=70, filled=True, fillOpacity=0, strokeOpacity=0)
        .encode(
            y="mean:Q",
            tooltip=[
                alt.Tooltip("name:N", title="framework"),
                alt.Tooltip("step:Q", title="after tool calls"),
                alt.Tooltip("mean:Q", title="mean reward", format=".3f"),
                alt.Tooltip("low:Q", title="95 % from", format=".3f"),
                alt.Tooltip("high:Q", title="to", format=".3f"),
                alt.Tooltip("runs:Q", title="runs"),
            ],
        )
        .add_params(picked)
    )
    chart = alt.layer(band, line, points).properties(width="container", height=320)
    return chart.to_dict()


def drawing_code() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script that sets ``window.vegaEmbed``."""
    import vl_convert  # noqa: PLC0415 - forty megabytes of shared library

    # Its stub asks for a snippet; without one, the bundle sets the globals itself.
    bundle: Callable[[], str] = vl_convert.javascript_bundle  # pyright: ignore[reportAssignmentType]
    return bundle()
