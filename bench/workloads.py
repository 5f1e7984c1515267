"""The workloads: what is run, on which log, beside whom, and what must come out of it."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import logs
from bench import HERE, Section, Target, best, ratio
from measure import Series, run
from pipelines import BY_CHANNEL, BY_DAY, GRID, RULES, TOTAL, counted, model, pipeline

MILLION = 1_000_000
A_TOUCHES = 50 * MILLION
TOUCH_COLUMNS = ("user_id", "event_time", "channel", "campaign")
OURS, DECODE = "attributary", "bare decode"
RULE_NAMES = "last_touch, first_touch, linear, time_decay, position_based, j_shaped"


def size(touches):
    return f"{touches / MILLION:g} M"


def described(known):
    wanted = known["settings"]
    return (
        f"{wanted['touches']:,} touches of {wanted['customers']:,} customers, {wanted['conversions']:,} conversions, {wanted['days']} days, "
        f"{wanted['files']} files, {wanted['keys']} keys, {known['bytes'] / 2**20:,.0f} MiB"
    )


def rules(bench, letter, keys):
    """Six models, one window, one table, beside DuckDB, polars and the bare decode of the same columns."""
    touches = bench.touches(A_TOUCHES)
    log, known = bench.log(touches, keys=keys)
    duckdb = ["duckdb, two joins", "duckdb, window functions"]
    programs = {
        OURS: bench.ours(letter, OURS, lambda out: pipeline(letter, log, out, RULES)),
        duckdb[0]: bench.duckdb(letter, duckdb[0], "rules_two_joins", log),
        duckdb[1]: bench.duckdb(letter, duckdb[1], "rules_window", log),
        "polars": bench.polars(letter, "polars", "rules", log),
        DECODE: bench.decode(log / "touchpoints", TOUCH_COLUMNS),
    }
    series = bench.measure(programs, rivals=[duckdb])
    sql = best(series, duckdb)
    memory = ratio(series[OURS], sql, "peak")
    faster, decoded = ratio(sql, series[OURS]), ratio(series[OURS], series[DECODE])
    targets = [
        Target("best DuckDB, wall / ours", faster, 4 if letter == "B" else 3, at_least=True, judged=bench.judged),
        Target("ours / bare decode, wall", decoded, 3 if letter == "B" else 5, judged=bench.judged),
    ]
    if letter == "A":
        targets.insert(1, Target("our peak memory / best DuckDB's", memory, 0.25, judged=bench.judged))
    notes = bench.agree(letter, OURS, series, [*duckdb, "polars"], ["by_day"], ["revenue"])
    notes += [f"polars, wall / ours: {ratio(series['polars'], series[OURS]):.2f} ×"] if ratio(series["polars"], series[OURS]) else []
    settings = f"{described(known)}. {RULE_NAMES}; window 30d; by conversion_date × channel × campaign."
    return Section(f"{letter}: six models, {keys} keys", settings, touches, series, targets, notes)


def a(bench):
    return rules(bench, "A", "integer")


def b(bench):
    return rules(bench, "B", "hex16")


def c(bench):
    """The grid: ten models, three windows, two values, three tables."""
    touches = bench.touches(A_TOUCHES)
    log, known = bench.log(touches)
    duckdb = ["duckdb, two joins", "duckdb, window functions"]
    grid = dict(models=GRID, windows=("7d", "30d", "90d"), tables=(BY_DAY, BY_CHANNEL, TOTAL), values=("revenue", "margin"), interaction=True)
    programs = {
        OURS: bench.ours("C", OURS, lambda out: pipeline("C", log, out, **grid)),
        duckdb[0]: bench.duckdb("C", duckdb[0], "grid_two_joins", log),
        duckdb[1]: bench.duckdb("C", duckdb[1], "grid_window", log),
        "polars": bench.polars("C", "polars", "grid", log),
    }
    series = bench.measure(programs, rivals=[duckdb])
    targets = [
        Target("best DuckDB, wall / ours", ratio(best(series, duckdb), series[OURS]), 15, at_least=True, judged=bench.judged),
        Target("polars, wall / ours", ratio(series["polars"], series[OURS]), 15, at_least=True, judged=bench.judged),
    ]
    notes = bench.agree("C", OURS, series, [*duckdb, "polars"], ["by_day", "by_channel", "total"], ["revenue", "margin"])
    settings = (
        f"{described(known)}. {RULE_NAMES}, last_click, first_click, last_non_direct, any_touch; windows 7d, 30d, 90d; revenue and margin; "
        "by conversion_date × channel × campaign, by channel, and in total."
    )
    return Section("C: ten models, three windows, two values, three tables", settings, touches, series, targets, notes)


def d(bench):
    """One day out of a year in 365 files, against the whole year."""
    touches = bench.touches((200 if bench.full else 40) * MILLION)
    log, known = bench.log(touches, days=365, files=365)
    programs, limits = {}, {"7d": (0.03, 0.04), "30d": (0.10, 0.12)}
    for window in limits:
        # The year first: it leaves all files in the page cache.
        for name, options in ((f"the year, {window}", ()), (f"one day, {window}", ("--date", "2026-07-02"))):
            text = lambda out, window=window: pipeline("D", log, out, RULES, windows=[window])  # noqa: E731
            programs[name] = bench.ours("D", name, text, *options)
    series = bench.measure(programs)
    targets, extra = [], {}
    for name in programs:
        if series[name].ok:
            read = bytes_read(bench.manifest("D", name))
            extra[name] = f"{read['touchpoints'] / 2**20:,.1f} MiB" if "touchpoints" in read else "not reported"
    for window, (of_bytes, of_time) in limits.items():
        day, year = f"one day, {window}", f"the year, {window}"
        time_part = byte_part = None
        if series[day].ok and series[year].ok:
            time_part = max(0.0, series[day].of("wall") - 0.3) / series[year].of("wall")
            read, whole = (bytes_read(bench.manifest("D", name)).get("touchpoints") for name in (day, year))
            byte_part = read / whole if read is not None and whole else None
        judged = bench.judged
        targets += [
            Target(f"{window}: touch bytes of the day / of the year", byte_part, of_bytes, judged=judged),
            Target(f"{window}: (wall of the day − 0.3 s) / of the year", time_part, of_time, judged=judged),
        ]
    settings = f"{described(known)}. {RULE_NAMES}; one window; by conversion_date × channel × campaign; `--date 2026-07-02`."
    return Section("D: one day out of a year", settings, touches, series, targets, extra=extra, extra_title="touch bytes read")


def bytes_read(manifest):
    """Bytes read by source, as far as the manifest reports them."""
    reported = manifest.get("bytes_read", {})
    if not isinstance(reported, dict):
        return {}
    return {source: sum(value.values()) if isinstance(value, dict) else value for source, value in reported.items() if value is not None}


def e(bench):
    """Growth under a bound on memory. The files are put out of the page cache before each run."""
    sizes = [10, 50, 200, 1000] if bench.full else [2, 10, 50]
    series, extra, notes, touches_of, reads = {}, {}, [], {}, {}
    for millions in sizes:
        touches = bench.touches(millions * MILLION)
        name = f"{size(touches)} touches"
        touches_of[name] = touches
        if missing := lacking_disk(bench, touches):
            print(f"  {name}: {missing}", flush=True)
            series[name] = Series(name, error=missing)
            continue
        log, known = bench.log(touches)
        reads[name] = plain_read(log)
        program = bench.ours("E", name, lambda out, log=log: pipeline("E", log, out, RULES), "--memory", "4GiB")
        cold = lambda program=program, log=log: (evict(log), program())[1]  # noqa: E731
        series |= bench.measure({name: cold}, rounds=1 if millions > 50 else bench.rounds)
        speed = touches / known["seconds"] / MILLION
        notes.append(f"{name}: plain sequential read of the files {reads[name]:.2f} s; `simulate` wrote {speed:.2f} M touches/s")
        if series[name].ok:
            extra[name] = f"{json.loads(series[name].runs[-1].stdout).get('spilled_bytes', 0) / 2**20:,.0f} MiB"
    settings = f"Logs as in A of growing size. {RULE_NAMES}; window 30d; `--memory 4GiB`; files not in the page cache."
    targets = growth_targets(bench, series, touches_of, reads)
    return Section("E: growth", settings, 0, series, targets, notes, extra, "temporary files", touches_of)


def growth_targets(bench, series, touches_of, reads):
    able = [name for name in series if series[name].ok]
    judged = bench.full and bench.judged
    per_touch = {name: series[name].of("cpu") / touches_of[name] for name in able}
    fifty, largest = f"{size(bench.touches(50 * MILLION))} touches", list(touches_of)[-1]
    first, last = (fifty, largest) if bench.full else (able[-2], able[-1]) if len(able) > 1 else (None, None)
    growth = per_touch[last] / per_touch[first] if first in per_touch and last in per_touch else None
    peak = max((series[name].span("peak")[1] for name in able), default=None)
    targets = [
        Target(f"CPU per touch, {last} / {first}", growth, 1.15, judged=judged),
        Target("largest peak memory", peak / 2**30 if peak else None, 4, judged=bench.judged, unit="GiB"),
    ]
    if bench.full:
        one = series[largest] if series[largest].ok else None
        bound = max(120.0, 1.5 * reads.get(largest, 0))
        targets += [
            Target(f"{largest}: CPU", one and one.of("cpu"), 150, judged=judged, unit="s"),
            Target(f"{largest}: wall", one and one.of("wall"), bound, judged=judged, unit="s"),
        ]
    return targets


def lacking_disk(bench, touches):
    """Why there is no room for a log of so many touches, its temporary files and results; nothing if there is."""
    bench.data.mkdir(parents=True, exist_ok=True)
    of_log = 0 if (bench.data / f"{logs.name(logs.settings(touches))}.json").exists() else 12
    needed = 2**30 * bench.judged + touches * (of_log + 16)
    free = shutil.disk_usage(bench.data).free
    return f"refused: needs {needed / 2**30:.1f} GiB of disk at {bench.data}, {free / 2**30:.1f} GiB are free" if needed > free else ""


def evict(folder):
    """Asks the system to forget the files below a folder."""
    os.sync()
    for file in Path(folder).rglob("*.parquet"):
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def plain_read(folder):
    """Seconds to read all files once, one after the other, from disk."""
    evict(folder)
    begin, buffer = time.perf_counter(), bytearray(2**20)
    for file in sorted(Path(folder).rglob("*.parquet")):
        with open(file, "rb", buffering=0) as opened:
            while opened.readinto(buffer):
                pass
    return time.perf_counter() - begin


def f(bench):
    """What each further model and window costs, in CPU. Two are added where the cost of one would drown in noise."""
    touches = bench.touches(A_TOUCHES)
    log, known = bench.log(touches)
    added = {
        "six models, one window": ([], ("30d",)),
        "+ 2 single-touch models": ([model("last_click"), model("first_click")], ("30d",)),
        "+ 2 all-touch models": ([model("inverse_j"), model("time_decay", name="time_decay_14d", half_life="14d")], ("30d",)),
        "+ custom": ([model("custom", weight="1.0 / position")], ("30d",)),
        "+ a window": ([], ("30d", "7d")),
    }
    programs = {
        name: bench.ours("F", name, lambda out, more=more, windows=windows: pipeline("F", log, out, RULES + more, windows=windows))
        for name, (more, windows) in added.items()
    }
    series = bench.measure(programs)
    base, *names = added

    def cost(name, what="cpu"):
        both = ratio(series[name], series[base], what)
        return None if both is None else (both - 1) / max(1, len(added[name][0]))

    bounds = dict(zip(names, (0.02, 0.07, 0.40, 0.40)))
    one = dict(zip(names, ("a single-touch model", "an all-touch model", "custom", "a window of 7d")))
    targets = [Target(f"further cost of {one[name]}, CPU", cost(name), bounds[name], judged=bench.judged) for name in names]
    notes = [f"further cost of {one[name]}, wall: {cost(name, 'wall'):.3f} ×" for name in names if cost(name, "wall") is not None]
    settings = f"{described(known)}. A, and A with more; custom is `1.0 / position`."
    return Section("F: a further model, a further window", settings, touches, series, targets, notes)


def g(bench):
    """One thread against two."""
    touches = bench.touches(A_TOUCHES)
    log, known = bench.log(touches)
    text = lambda out: pipeline("G", log, out, RULES)  # noqa: E731
    programs = {f"{threads} thread{'s' * (threads > 1)}": bench.ours("G", f"{threads}", text, threads=threads) for threads in (1, 2)}
    series = bench.measure(programs)
    targets = [Target("wall of 1 thread / of 2", ratio(series["1 thread"], series["2 threads"]), 1.8, at_least=True, judged=bench.judged)]
    return Section("G: threads", f"{described(known)}. A.", touches, series, targets)


def h(bench):
    """Start-up: the sample data."""
    file = HERE.parent / "pipelines" / "nightly.toml"
    with tempfile.TemporaryDirectory() as folder:
        command = [bench.binary, "run", file, "--output", folder, "--threads", bench.threads, "--format", "json", "--quiet", "--full"]
        series = bench.measure({OURS: lambda: run(command)}, rounds=max(5, bench.rounds))
    one = series[OURS]
    targets = [Target("wall", one.of("wall") if one.ok else None, 0.3, unit="s")]
    return Section("H: start-up", "`pipelines/nightly.toml` on the sample data.", 0, series, targets)


def i(bench):
    """What the paths table, with the null journeys it needs, and the credits table cost."""
    touches = bench.touches(A_TOUCHES)
    log, known = bench.log(touches)
    asked = {
        "paths = 0": {},
        "paths = 10000, with null journeys": {"paths": 10000},
        "credits = true": {"credits": True},
    }
    programs = {
        name: bench.ours("I", name, lambda out, more=more: pipeline("I", log, out, RULES, **more)) for name, more in asked.items()
    }
    series = bench.measure(programs)
    base, *names = asked
    notes = [f"{name}, wall / without: {ratio(series[name], series[base]):.2f} ×" for name in names if ratio(series[name], series[base])]
    extra = {name: f"{logs.size(bench.result('I', name)) / 2**20:,.0f} MiB" for name in asked if series[name].ok}
    settings = f"{described(known)}. A, with further tables. A path table looks at customers who never convert, too."
    return Section("I: paths, null journeys, credits", settings, touches, series, [], notes, extra, "tables on disk")


def j(bench):
    """A night that adds one day to a year of logs, against all days computed anew."""
    touches = bench.touches(20 * MILLION)
    tables = (BY_DAY, BY_CHANNEL, TOTAL)
    programs, described_logs = {}, []
    for campaigns in (60, 2000):
        log, known = bench.log(touches, days=365, files=365, campaigns=campaigns)
        described_logs.append(f"{described(known)}, {campaigns} campaigns")
        text = lambda out, log=log: pipeline("J", log, out, RULES, tables=tables)  # noqa: E731
        programs[f"all days, {campaigns} campaigns"] = bench.ours("J", f"all{campaigns}", text)
        programs[f"the night, {campaigns} campaigns"] = night(bench, f"night{campaigns}", log, tables)
    series = bench.measure(programs)
    targets, notes = [], []
    for campaigns in (60, 2000):
        all_days, of_night = f"all days, {campaigns} campaigns", f"the night, {campaigns} campaigns"
        part = ratio(series[of_night], series[all_days])
        if campaigns == 60:
            targets.append(Target("the night / all days, wall", part, 0.15, judged=bench.judged))
        elif part is not None:
            notes.append(f"with a table of millions of rows, which is written anew, the night / all days: {part:.3f} ×")
        if series[of_night].ok and series[all_days].ok:
            one, other = (hashes(bench.manifest("J", f"{kind}{campaigns}")) for kind in ("night", "all"))
            notes.append(f"{campaigns} campaigns: {len(one)} files of tables, {'the same bytes' if one == other else 'OTHER BYTES'} in both")
    settings = f"{'; '.join(described_logs)}. {RULE_NAMES}; window 30d; by conversion_date × channel × campaign, by channel, in total."
    return Section("J: a night that adds a day to a year", settings, touches, series, targets, notes)


def night(bench, name, log, tables):
    """A run over the year that goes on from one over all days but the last; what that one takes is not measured."""
    folder = bench.out("J", name)
    year, before, result, file = folder / "year", folder / "before", folder / "result", folder / "pipeline.toml"
    last = {}
    for source in ("touchpoints", "conversions"):
        shutil.copytree(log / source, year / source, copy_function=os.link)
        path = max((year / source).iterdir())
        last[path] = log / source / path.name
        path.unlink()
    file.write_text(pipeline("J", year, before, RULES, tables=tables))
    command = [bench.binary, "run", file, "--threads", bench.threads, "--format", "json", "--quiet"]
    prepared = run(command)
    for path, original in last.items():
        os.link(original, path)

    def program():
        if not prepared.ok:
            return prepared
        shutil.rmtree(result, ignore_errors=True)
        shutil.copytree(before, result, symlinks=True, copy_function=os.link)
        return run([*command, "--output", result])

    return program


def k(bench):
    """What it costs to learn from all journeys, and a package that simulates a Markov chain on the paths of the same journeys."""
    touches = bench.touches(20 * MILLION)
    log, known = bench.log(touches)
    markov = model("markov")
    all_models = [markov, model("markov", name="markov_3", order=3), model("shapley"), model("shapley", name="rate", value="rate"), model("shao_li")]
    added = {
        "six models": ([], 0),
        "+ markov": ([markov], 0),
        "+ five that learn": (all_models, 0),
        "+ markov, bootstrap 100": ([model("markov", bootstrap=100)], 0),
        "+ markov, all paths": ([markov], 10**9),
    }
    programs = {
        name: bench.ours("K", name, lambda out, more=more, paths=paths: pipeline("K", log, out, RULES + more, paths=paths))
        for name, (more, paths) in added.items()
    }
    series = bench.measure(programs)
    notes = [f"{name}, wall / without: {ratio(series[name], series['six models']):.2f} ×" for name in added if ratio(series[name], series["six models"])][1:]
    result = bench.result("K", "+ markov, all paths")
    notes += channel_attribution(bench, series, result / "paths", result / "removal_effects", ", paths given")
    settings = f"{described(known)}. {RULE_NAMES}, and models that learn from the journeys of everyone; window 30d; by conversion_date × channel × campaign."
    return Section("K: models that learn", settings, touches, series, [], notes)


def channel_attribution(bench, series, paths, effects, suffix=""):
    """Adds the package that simulates, on paths that are given, with one thread and with two; what it found is a note."""
    try:
        python = bench.peers("-learned")
    except subprocess.CalledProcessError:
        return ["ChannelAttribution could not be installed here"]
    notes = []
    for threads in (1, 2):
        command = [python, HERE / "peers" / "channel_attribution.py", paths, effects, "markov", threads]
        name = f"ChannelAttribution, {threads} thread{'s' * (threads > 1)}{suffix}"
        one = bench.measure({name: lambda command=command: run(command)}, rounds=1)
        series.update(one)
        if one[name].ok:
            found = json.loads(one[name].runs[-1].stdout.splitlines()[-1])
            notes.append(
                f"{name}: {found['seconds']:.2f} s for {found['paths']:,} rows once they are in memory; shares of channels are {found['mean']:.1%} off on "
                f"average and {found['largest']:.1%} at most, {found['moved']:.2%} of all conversions are at the wrong channel. Ours are exact."
            )
    return notes


def l(bench):  # noqa: E743
    """Paths that were counted already: published ones, as often as makes ten million rows. Where they lie the environment says."""
    published = Path(os.environ.get("ATTRIBUTARY_REAL_DATA", "")) / "paths" / "paths.csv"
    if not published.exists():
        note = "not measured: ATTRIBUTARY_REAL_DATA names no folder with paths/paths.csv"
        return Section("L: counted paths", "", 0, {}, [], [note])
    times = max(1, round(1000 * bench.scale))
    folder = bench.data / f"paths_{times}"
    subprocess.run([bench.peers(), HERE / "peers" / "many_paths.py", published, folder, str(times)], check=True)
    programs = {
        name: bench.ours("L", name, lambda out, more=more: counted("L", folder, out, [model("markov", **more)]))
        for name, more in {"attributary": {}, "attributary, bootstrap 100": {"bootstrap": 100}}.items()
    }
    series = bench.measure(programs)
    rows = bench.manifest("L", "attributary")["rows"]
    notes = channel_attribution(bench, series, folder, bench.result("L", "attributary") / "removal_effects")
    settings = f"{rows['conversions']['read']:,} rows of {rows['conversions']['in_range']:,} conversions, ten thousand published paths {times:,} times over; markov of order 1 with null journeys."
    return Section("L: counted paths", settings, rows["touchpoints"]["read"], series, [], notes)


def hashes(manifest):
    """The SHA-256 of every file of the tables."""
    return {file["path"]: file["sha256"] for table in manifest["tables"] for file in table["files"]}


WORKLOADS = {"A": a, "B": b, "C": c, "D": d, "E": e, "F": f, "G": g, "H": h, "I": i, "J": j, "K": k, "L": l}
