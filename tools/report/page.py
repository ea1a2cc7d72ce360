# SPDX-License-Identifier: Apache-2.0
"""The report: its sections, and the files of its plots."""

import pathlib

from report import evidence, html, scaling, tables
from report.plots import Missing, Plot, curves, energy, flatness, overlays, sites, spectra, times
from report.study import Study

HOW = (
    "Groups share seeds, and so initial weights, cohorts, batches. p seeds: signs of the seeds' differences "
    "flipped (other seeds). p cases: signs of the {units}' differences flipped (other cases, these models). "
    "p total: by the interval, a bootstrap over seeds and cases. Holm's correction is of the largest of the "
    "three, over all rows. A difference that is not shown is not shown to be none."
)


def compared(study: Study) -> str:
    """The paired differences of all groups from the baseline."""
    if len(study.groups) < 2:
        return "<p>One group: there is nothing to compare it with.</p>"
    parts = []
    for held_out in (False, True):
        found = evidence.gather(study.groups, study.baseline, study.measure, study.shards, held_out=held_out)
        if found is None:
            continue
        parts.append(tables.differences(study, found, held_out))
        if found.by_site:
            parts.append(tables.differences_by_site(study, found))
        parts += [f"<p>Left out: {html.text(line)}.</p>" for line in found.left_out]
        units = "patients" if found.patients_known else "cases"
        parts.append(f"<p>{html.text(HOW.format(units=units))}</p>")
        if found.single_cases and not found.patients_known:
            parts.append("<p>No shards are at hand: cases of one patient count as independent.</p>")
        if not found.single_cases:
            parts.append("<p>Single cases: not available. Train all runs with run.per_sample = true.</p>")
    return "".join(parts) or "<p>No seed is in two groups: nothing can be compared in pairs.</p>"


def sections(
    study: Study, scaled: scaling.ScalingStudy | None = None
) -> tuple[list[tuple[str, str]], list[Plot]]:
    """Headings and HTML, and the plots in them."""
    plots: list[Plot] = []

    def drawn(found: list[Plot | Missing]) -> str:
        plots.extend(plot for plot in found if isinstance(plot, Plot))
        return "".join(html.figure(plot) for plot in found)

    left = "".join(
        f"<p>Left out: {html.text(run.folder)} has not ended; resume it.</p>" for run in study.unfinished
    )
    speed_up, speed_up_plots = scaling.section(scaled) if scaled else ("", [])
    found = [
        ("Scores", left + tables.scores(study) + drawn(sites.plots(study))),
        (f"Differences from {study.baseline.label}", compared(study)),
        ("Rounds", drawn(curves.plots(study))),
        ("Flatness", drawn(flatness.plots(study))),
        ("Spectra", drawn(spectra.plots(study))),
        ("Cases", drawn(overlays.plots(study))),
        ("Time and energy", drawn(times.plots(study)) + tables.joules(study) + drawn(energy.plots(study))),
        *([("Scaling and projection", speed_up)] if scaled else []),
        ("Configuration", tables.settings(study)),
        ("Provenance", tables.provenance(study) + tables.shards(study)),
    ]
    return found, plots + speed_up_plots


def write(
    study: Study,
    title: str,
    output: pathlib.Path,
    figures: pathlib.Path | None,
    scaled: scaling.ScalingStudy | None = None,
) -> None:
    """The page, and with `figures` each plot as a picture and a CSV in that folder."""
    write_parts(*sections(study, scaled), title, output, figures)


def write_parts(
    parts: list[tuple[str, str]],
    plots: list[Plot],
    title: str,
    output: pathlib.Path,
    figures: pathlib.Path | None,
) -> None:
    """A page of these sections, and their plots as files."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(html.page(title, parts), encoding="utf-8")
    if figures is None:
        return
    figures.mkdir(parents=True, exist_ok=True)
    for plot in plots:
        (figures / f"{plot.name}.{plot.kind}").write_bytes(plot.picture)
        plot.frame.to_csv(figures / f"{plot.name}.csv", index=False)
