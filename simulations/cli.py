"""`insula simulate`: a whole study in one process, on real exports or virtual clinics."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.console import Console
from rich.table import Table

from client.ingest.importer import import_folder
from server.findings import headline
from server.run_record import ALL_CLINICS, COHORTS, MODELS, Cohort, RunRecord
from simulations.effects import Plan, run_effects
from simulations.effects_learning import SHIPPED, learn, read_learned, write_learned
from simulations.effects_page import markdown as effects_markdown
from simulations.effects_summary import as_dict, page
from simulations.experiment import Settings, run_study
from simulations.long_forecasts import long_forecasts
from simulations.long_forecasts_page import as_dict as forecasts_as_dict
from simulations.long_forecasts_page import markdown as forecasts_markdown
from simulations.own_effects_cli import own_effects
from simulations.padova_world import WORLDS
from simulations.parallel import crew, spread
from simulations.people import gather
from simulations.plan_trials import AMISS_SD, Whom, judge
from simulations.plan_trials import as_dict as plans_as_dict
from simulations.plan_trials import in_words as plans_in_words
from simulations.policy_cli import policy
from simulations.prior_cli import prior, prior_again, prior_real, prior_virtual
from simulations.share_of_gain import Kind, shares, trimmed
from simulations.share_page import as_dict as shares_as_dict
from simulations.share_page import markdown
from simulations.streaming import Walk, followed
from simulations.streaming_page import as_dict as streaming_as_dict
from simulations.streaming_page import markdown as streaming_markdown
from simulations.virtual_sizes import studies_in
from simulations.waiting import progress
from study.expected_share import SHIPPED as EXPECTED
from study.expected_share import write_studies
from study.protocol import read_protocol
from study.public_start import read_public_start

app = typer.Typer(no_args_is_help=True)


@app.callback()
def simulate() -> None:
    """Virtual clinics and whole studies in one process."""


@app.command()
def run(
    protocol: Annotated[Path, typer.Argument(help="Protocol of the study, YAML.")],
    data: Annotated[Path, typer.Option(help="Folder of the clinics' exports.")] = Path("."),
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/STUDY by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything but exact noise.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Run a study and write its run folder: run.json, report.html, ledgers, body.

    Example: insula simulate run study/protocols/demo.yaml --out runs/demo
    """
    torch.set_num_threads(1)
    agreed, start = read_protocol(protocol), read_public_start()
    folder = Path("runs") / agreed.study if out is None else out
    prose = Console(stderr=True, highlight=False)
    settings = Settings(data, folder, folder.parent / "virtual-clinics", seed)
    with progress(prose) as bar:
        task = bar.add_task("reading the protocol", total=None)
        record = run_study(agreed, start, settings, lambda step: bar.update(task, description=step))
    if as_json:
        print(json.dumps({"run": str(folder), **record.model_dump(mode="json")}))
        return
    for cohort in COHORTS:
        if table := score_page(record, cohort):
            prose.print(table)
    prose.print(headline(record), markup=False)
    print(folder / "report.html")


@app.command()
def effects(
    patients: Annotated[
        Literal["adults", "drawn"], typer.Option(help="The ten public adults, or drawn ones.")
    ] = "adults",
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything the people do.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for effects.json, or a .md file for the tables.")
    ] = None,
    true_carbs: Annotated[
        bool,
        typer.Option("--true-carbs", help="Show the twin what was eaten, not what was counted."),
    ] = False,
    taught_in: Annotated[
        Literal["harder", "own", "both"], typer.Option(help="Worlds of those lessons came from.")
    ] = "both",
    learn_from: Annotated[
        int, typer.Option("--learn", min=0, help="First learn anew from so many drawn adults.")
    ] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Processes to work in.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Test what twins say of other doses where those can really be given: worlds A and B.

    Twins of 14 virtual days answer what 20 % more or less basal, boluses and carbohydrate ratio
    would do, beside no change and the clinic's calibrated rule of thumb. Minutes on two cores.

    Example: insula simulate effects --patients adults --seed 1 --out runs/effects
    """
    prose = Console(stderr=True, highlight=False)
    with progress(prose) as bar, crew(processes) as pool:
        task = bar.add_task("reading what was learned", total=None)

        def step(what: str) -> None:
            bar.advance(task)
            bar.update(task, description=f"{what}: {bar.tasks[0].completed:.0f} done in all")

        if learn_from:
            write_learned(learn(learn_from, pool, step), SHIPPED)
        result = run_effects(
            Plan(patients, seed, true_carbs, taught_in), read_learned(), pool, step
        )
    record = as_dict(result)
    if out is not None and out.suffix == ".md":
        out.parent.mkdir(parents=True, exist_ok=True)
        command = f"insula simulate effects --patients {patients} --seed {seed} --out {out.name}"
        out.write_text(effects_markdown(result, command), encoding="utf-8")
    elif out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "effects.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print(json.dumps(record))
        return
    prose.print(page(result))


@app.command()
def share(
    protocol: Annotated[Path, typer.Argument(help="Protocol of the study, YAML.")],
    data: Annotated[Path, typer.Option(help="Folder of the clinics' exports.")] = Path("."),
    epsilon: Annotated[tuple[float, float, float], typer.Option(help="Budgets to try.")] = (
        8.0,
        4.0,
        2.0,
    ),
    splits: Annotated[int, typer.Option(min=1, help="Choices of whom to hold out.")] = 4,
    draws: Annotated[int, typer.Option(min=1, help="Draws of the noise for each.")] = 5,
    release: Annotated[
        Literal["own", "adapter", "body", "both"],
        typer.Option(help="The protocol's own, or a kind as usual for size and budget."),
    ] = "own",
    smaller: Annotated[
        tuple[int, int] | None, typer.Option(help="Only so many clinics, and patients of each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """What is left of a federation's gain under privacy, over budgets, splits and noise.

    Every draw has noise of its own: 4 splits of 5 draws are 20 draws at each budget.

    Example: insula simulate share study/protocols/virtual-children.yaml --release adapter
    """
    torch.set_num_threads(1)
    agreed, start = read_protocol(protocol), read_public_start()
    with progress(Console(stderr=True, highlight=False)) as bar:
        task = bar.add_task("reading the protocol", total=None)

        def step(what: str) -> None:
            bar.update(task, description=what)

        clinics = gather(agreed, data, Path("runs") / "virtual-clinics", step)
        if smaller:
            agreed, clinics = trimmed(agreed, clinics, *smaller)
        kinds: list[Kind] = ["adapter", "body"] if release == "both" else [release]
        found = shares(agreed, start, clinics, epsilon, (splits, draws), step, kinds)
    plain = {kind: shares_as_dict(one) for kind, one in zip(kinds, found, strict=True)}
    print(json.dumps(plain) if as_json else "\n".join(map(markdown, found)))


@app.command()
def sizes(
    found: Annotated[
        list[Path], typer.Argument(help="What `share --json` and `prior --json` printed, as files.")
    ],
    out: Annotated[Path, typer.Option(help="Where the table is to be written.")] = EXPECTED,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Collect virtual studies of several sizes: what `insula privacy plan --release` expects from.

    Example: insula simulate sizes runs/shares/*.json --out study/artefacts/expected_share.json
    """
    studies = [study for path in found for study in studies_in(path)]
    write_studies(studies, out)
    print(json.dumps({"table": str(out), "studies": len(studies)}) if as_json else out)


for command in (prior, prior_again, prior_real, prior_virtual):
    app.command()(command)


@app.command()
def streaming(
    group: Annotated[
        Literal["child", "adolescent", "adult"], typer.Option(help="Whom to draw.")
    ] = "adult",
    world: Annotated[
        Literal["A", "B"], typer.Option(help="The easier world, or the harder.")
    ] = "B",
    people: Annotated[int, typer.Option(min=1, help="How many people.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything they do.")] = 505,
    processes: Annotated[int, typer.Option(min=1, help="Processes to work in.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Follow drawn people for weeks: forecasts as readings come, and how soon a change is noticed.

    Example: insula simulate streaming --people 24
    """
    walk = Walk(group, world, seed)
    with progress(Console(stderr=True, highlight=False)) as bar, crew(processes) as pool:
        task = bar.add_task("following people", total=people)
        found = spread(partial(followed, walk), range(people), pool, lambda: bar.advance(task))
    cases = [one for person in found for one in person]
    print(
        json.dumps(streaming_as_dict(walk, cases)) if as_json else streaming_markdown(walk, cases)
    )


@app.command()
def forecasts(
    data: Annotated[Path, typer.Argument(help="Folder with exports of people with insulin.")],
    layout: Annotated[Literal["uom", "glucose_ml"], typer.Option(help="Its layout.")] = "uom",
    time_zone: Annotated[str, typer.Option(help="IANA name of its clock.")] = "Europe/London",
    out: Annotated[Path | None, typer.Option(help="Page of Markdown.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Half an hour to three days ahead on held-out days, beside trees that know as much.

    Example: insula simulate forecasts ../shared/data/uom --out docs/forecasts.md
    """
    with progress(Console(stderr=True, highlight=False)) as bar:
        bar.add_task("calibrating and judging twins", total=None)
        found = long_forecasts(import_folder(data, layout, time_zone).traces)
    if out is not None:
        out.write_text(forecasts_markdown(found), encoding="utf-8")
    print(json.dumps(forecasts_as_dict(found)) if as_json else forecasts_markdown(found))


@app.command()
def plans(
    people: Annotated[int, typer.Option(min=1, help="People in each world.")] = 15,
    seed: Annotated[int, typer.Option(min=0, help="Seed of who they are.")] = 1,
    public: Annotated[bool, typer.Option(help="The ten public adults, not drawn ones.")] = False,
    amiss: Annotated[bool, typer.Option(help="With basal and ratios that are set amiss.")] = False,
    processes: Annotated[int, typer.Option(min=1, help="Processes to work in.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Hold `insula twin plan` against truth: virtual people really live on what it proposes.

    Example: insula simulate plans --people 15 --seed 1
    """
    jobs = [(world, number) for world in WORLDS for number in range(people)]
    whom = Whom(seed, public, AMISS_SD if amiss else 0.0)
    with progress(Console(stderr=True, highlight=False)) as bar, crew(processes) as pool:
        task = bar.add_task("planning and living", total=len(jobs))
        found = spread(partial(judge, whom), jobs, pool, lambda: bar.advance(task))
    print(json.dumps(plans_as_dict(found)) if as_json else plans_in_words(found))


app.command("own-effects")(own_effects)
app.command("policy")(policy)


def score_page(record: RunRecord, cohort: Cohort) -> Table | None:
    """RMSE in mg/dL of every model over all clinics of a cohort; None where nobody was scored."""
    scores = {
        (one.model, one.horizon_min): one.rmse_mg_dl
        for one in record.scores
        if one.cohort == cohort and one.clinic == ALL_CLINICS
    }
    if not scores:
        return None
    horizons = sorted({horizon for _, horizon in scores})
    epsilon = f"epsilon {record.privacy.epsilon:.3g}"
    table = Table(title=f"{cohort.replace('_', ' ')}: RMSE, mg/dL ({epsilon})")
    table.add_column("model")
    for horizon in horizons:
        table.add_column(f"{horizon} min", justify="right")
    for model in MODELS:
        if (model, horizons[0]) in scores:
            values = [scores.get((model, horizon)) for horizon in horizons]
            table.add_row(model, *("-" if one is None else f"{one:.1f}" for one in values))
    return table
