"""The dashboards: what each panel asks of the read models (docs/read-models.md), and the units of what comes.

Rules: figures of a window are those of the hours (shifts, alarms) that begin in it, as far as their minutes are closed. OEE is by
the definition `iso` (docs/oee.md), which the columns of an hour answer alone: what `tailrace oee --definition iso` says.
"""

from __future__ import annotations

from description import (
    HOUR_NS,
    MACHINES,
    PARTS_PER_HOUR,
    RATIO,
    TIME,
    Dashboard,
    Panel,
    hour_of,
    share,
    within,
)

VALUES = {
    "MachineTemp": "celsius",
    "CO2Level": "ppm",
    "EnergyConsumed": "kwatth",
    "EnvTemp": "celsius",
    "Humidity": "humidity",
    "PowerPeak": "kwatt",
}
"""The values of `asset_data` and their units."""

VALUE_NAMES = ", ".join(f'"{name}"' for name in VALUES)

HOURS = f"FROM oee_hour WHERE machine {MACHINES} AND {within('start_ns')}"
SHIFTS = f"FROM oee_shift WHERE machine {MACHINES} AND {within('start_ns')}"
ALARMS = f"FROM anomaly WHERE machine {MACHINES} AND {within('t_ns')}"

RUN = "SUM(shift_run_ns)"
BASE = "SUM(shift_run_ns + shift_unplanned_ns + shift_setup_ns + shift_unknown_ns)"
TOTAL = "SUM(shift_good + shift_reject + shift_rework)"
REJECT = "SUM(shift_reject)"
IDEAL_TOTAL = "SUM(shift_good_ideal_ns + shift_reject_ideal_ns + shift_rework_ideal_ns)"
IDEAL_GOOD = "SUM(shift_good_ideal_ns + shift_rework_ideal_ns)"
COMPLETE = "SUM(shift_no_ideal) = 0"


def known(ratio: str) -> str:
    """A ratio that needs the ideal cycle of every part, null where one is unknown."""
    return f"CASE WHEN {COMPLETE} THEN {ratio} END"


AVAILABILITY = share(RUN, BASE)
PERFORMANCE = known(share(IDEAL_TOTAL, RUN))
QUALITY = f"CASE WHEN {COMPLETE} THEN {share(IDEAL_GOOD, IDEAL_TOTAL)} ELSE {share('SUM(shift_good + shift_rework)', TOTAL)} END"
OEE = known(share(IDEAL_GOOD, BASE))
FACTORS = f'{OEE} AS "OEE", {AVAILABILITY} AS "Availability", {PERFORMANCE} AS "Performance", {QUALITY} AS "Quality"'
FACTOR_UNITS = dict.fromkeys(("OEE", "Availability", "Performance", "Quality"), RATIO)
RATE = f"CAST({TOTAL} AS float) * {HOUR_NS} / NULLIF({BASE}, 0)"

BY_HOUR = 'start_ns / 1000000000 AS "time", machine'


def _value_by_hour(name: str, unit: str) -> Panel:
    sql = (
        f'SELECT start_ns / 1000000000 AS "time", machine, "sum" / n AS "{name}" FROM signal_rollup '
        f"WHERE machine {MACHINES} AND signal = '{name}' AND resolution_s = 3600 AND n > 0 AND {within('start_ns')} "
        "ORDER BY start_ns, machine"
    )
    return Panel(f"{name} by hour", "timeseries", sql, {name: unit}, (12, 7), "The mean of the readings of each hour.")


DIGITAL_TWIN = Dashboard(
    "digital-twin",
    "Digital Twin",
    "The latest values of every machine, and what they were.",
    "now-24h",
    [
        Panel(
            "Assets",
            "table",
            f'SELECT "MachineID", {VALUE_NAMES} FROM asset_data WHERE "MachineID" {MACHINES} ORDER BY "MachineID"',
            VALUES,
            (24, 10),
            "The latest usable reading of each signal; empty where there is none.",
        ),
        Panel(
            "State",
            "table",
            'SELECT machine AS "MachineID", state AS "State", since_ns / 1000000 AS "Since", why AS "Why" FROM machine_now '
            f"WHERE machine {MACHINES} ORDER BY machine",
            {"Since": TIME},
            (24, 10),
            "The state that holds; unknown while nobody watches the machine.",
        ),
        *(_value_by_hour(name, unit) for name, unit in VALUES.items()),
    ],
)

PRODUCTION_HEALTH = Dashboard(
    "production-health",
    "Production Health",
    "Anomalies, defects, cycle times and rates.",
    "now-24h",
    [
        Panel(
            "Anomaly count",
            "stat",
            f'SELECT COUNT(*) AS "Anomaly_Count" {ALARMS}',
            {"Anomaly_Count": "short"},
            (6, 5),
            "Alarms that were raised in this time.",
        ),
        Panel(
            "Defect ratio",
            "stat",
            f'SELECT {share(REJECT, TOTAL)} AS "DefectRatio" {HOURS}',
            {"DefectRatio": RATIO},
            (6, 5),
            "Rejected parts by all parts.",
        ),
        Panel(
            "Average production rate",
            "stat",
            f'SELECT {RATE} AS "ProductionRate" {HOURS}',
            {"ProductionRate": PARTS_PER_HOUR},
            (6, 5),
            "Parts per hour of planned busy time of a machine.",
        ),
        Panel(
            "Average cycle time",
            "stat",
            f'SELECT {share(RUN, TOTAL)} / 1e9 AS "CycleTime" {HOURS}',
            {"CycleTime": "s"},
            (6, 5),
            "Running time by parts.",
        ),
        Panel(
            "Anomalies by hour",
            "bars",
            f'SELECT {hour_of("t_ns")} AS "time", machine, COUNT(*) AS "Anomaly_Count" {ALARMS} '
            f"GROUP BY {hour_of('t_ns')}, machine ORDER BY 1, machine",
            {"Anomaly_Count": "short"},
            (12, 8),
            "Alarms by the hour in which they were raised.",
        ),
        Panel(
            "Highest anomaly score by hour",
            "timeseries",
            f'SELECT {hour_of("start_ns")} AS "time", machine, MAX("max") AS "AnomalyScore" FROM score_rollup '
            f"WHERE machine {MACHINES} AND {within('start_ns')} GROUP BY {hour_of('start_ns')}, machine ORDER BY 1, machine",
            {"AnomalyScore": "none"},
            (12, 8),
            "1 is the threshold.",
            1.0,
        ),
        Panel(
            "Defect ratio by hour",
            "timeseries",
            f'SELECT {BY_HOUR}, {share(REJECT, TOTAL)} AS "DefectRatio" {HOURS} '
            "GROUP BY start_ns, machine ORDER BY start_ns, machine",
            {"DefectRatio": RATIO},
            (12, 8),
            "Rejected parts by all parts.",
        ),
        Panel(
            "Cycle time by hour",
            "timeseries",
            f'SELECT {BY_HOUR}, {share(RUN, TOTAL)} / 1e9 AS "CycleTime", '
            f'{known(share(IDEAL_TOTAL, TOTAL))} / 1e9 AS "Ideal" {HOURS} '
            "GROUP BY start_ns, machine ORDER BY start_ns, machine",
            {"CycleTime": "s", "Ideal": "s"},
            (12, 8),
            "Running time by parts, and what the products' ideal cycles say.",
        ),
        Panel(
            "Top 10 anomalies",
            "table",
            'SELECT "RecordID", "MachineID", "DetectionTime", "AnomalyScore", "Peak", "Severity", "Explanation" FROM ('
            'SELECT "RecordID", machine AS "MachineID", t_ns / 1000000 AS "DetectionTime", "AnomalyScore", peak AS "Peak", '
            'severity AS "Severity", explanation AS "Explanation", '
            f'ROW_NUMBER() OVER (ORDER BY COALESCE(peak, "AnomalyScore") DESC, "RecordID") AS place {ALARMS}) AS ranked '
            "WHERE place <= 10 ORDER BY place",
            {"DetectionTime": TIME, "AnomalyScore": "none", "Peak": "none"},
            (16, 10),
            "By their highest score; Peak is empty while an alarm is on.",
        ),
        Panel(
            "Average production rate by machine",
            "bargauge",
            f'SELECT machine, {RATE} AS "ProductionRate" {HOURS} GROUP BY machine ORDER BY machine',
            {"ProductionRate": PARTS_PER_HOUR},
            (8, 10),
            "Parts per hour of planned busy time.",
        ),
    ],
)

LOSSES = {
    "Run": "shift_run_ns",
    "Unplanned": "shift_unplanned_ns",
    "Setup": "shift_setup_ns",
    "Unknown": "shift_unknown_ns",
}
"""Where planned busy time goes, by the columns of an hour."""

OEE_DASHBOARD = Dashboard(
    "oee",
    "OEE",
    "Overall equipment effectiveness by the definition `iso`: every stop is a loss of availability, however short.",
    "now-7d",
    [
        *(
            Panel(name, "stat", f'SELECT {ratio} AS "{name}" {HOURS}', {name: RATIO}, (6, 5), meaning)
            for name, ratio, meaning in (
                ("OEE", OEE, "Ideal time of good parts by planned busy time, of all machines together."),
                ("Availability", AVAILABILITY, "Running by planned busy time."),
                ("Performance", PERFORMANCE, "Ideal time of all parts by running time."),
                ("Quality", QUALITY, "Ideal time of good parts by that of all parts."),
            )
        ),
        Panel(
            "OEE by hour",
            "timeseries",
            f'SELECT {BY_HOUR}, {OEE} AS "OEE" {HOURS} GROUP BY start_ns, machine ORDER BY start_ns, machine',
            {"OEE": RATIO},
            (24, 8),
        ),
        Panel(
            "By machine",
            "table",
            f'SELECT machine AS "MachineID", {FACTORS}, {TOTAL} AS "Parts", {REJECT} AS "Rejects", '
            f'{BASE} / 1e9 AS "PlannedBusyTime" {HOURS} GROUP BY machine ORDER BY machine',
            {**FACTOR_UNITS, "Parts": "short", "Rejects": "short", "PlannedBusyTime": "s"},
            (12, 10),
        ),
        Panel(
            "Where planned busy time goes, by hour",
            "bars",
            'SELECT start_ns / 1000000000 AS "time", '
            + ", ".join(f'SUM({column}) / 1e9 AS "{name}"' for name, column in LOSSES.items())
            + f" {HOURS} GROUP BY start_ns ORDER BY start_ns",
            dict.fromkeys(LOSSES, "s"),
            (12, 10),
            "Of all chosen machines together.",
        ),
        Panel(
            "By shift",
            "table",
            f'SELECT machine AS "MachineID", name AS "Shift", start_ns / 1000000 AS "Start", {FACTORS}, {TOTAL} AS "Parts" '
            f"{SHIFTS} GROUP BY machine, name, start_ns ORDER BY start_ns DESC, machine",
            {"Start": TIME, **FACTOR_UNITS, "Parts": "short"},
            (12, 10),
        ),
        Panel(
            "Longest stops",
            "table",
            'SELECT "MachineID", "Start", "Duration", "Category", "Reason" FROM ('
            'SELECT machine AS "MachineID", start_ns / 1000000 AS "Start", (end_ns - start_ns) / 1e9 AS "Duration", '
            'category AS "Category", reason AS "Reason", '
            f"ROW_NUMBER() OVER (ORDER BY end_ns - start_ns DESC, id) AS place FROM stop "
            f"WHERE end_ns IS NOT NULL AND machine {MACHINES} AND {within('start_ns')}) AS ranked "
            "WHERE place <= 20 ORDER BY place",
            {"Start": TIME, "Duration": "s"},
            (12, 10),
            "Stops that are over, from beginning to end.",
        ),
    ],
)

DASHBOARDS = (DIGITAL_TWIN, PRODUCTION_HEALTH, OEE_DASHBOARD)
