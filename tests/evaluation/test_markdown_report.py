"""Tables of the Markdown report."""

from nsynth_vae.evaluation import markdown_report


def test_tables_leave_out_what_no_system_has():
    rows = {
        "real": {"title": "real notes", "sounds": 2, "measures": {"mss": {"mean": 0.0, "median": 0.0, "sounds": 2}}},
        "bad": {"title": "broken", "sounds": 2, "measures": {"mss": {"mean": None, "median": 1.0, "sounds": 2}}},
        "path": {"title": "between", "sounds": 9, "measures": {"in_tune": {"mean": 0.875, "sounds": 9}}},
    }
    assert markdown_report.systems_table(rows, ("lsd_db", "mss")).splitlines() == [
        "|  | sounds | mss |",
        "| --- | --- | --- |",
        "| real notes | 2 | 0.00 / 0.00 |",
        "| broken | 2 | not finite |",
    ]
    assert markdown_report.systems_table(rows, ("in_tune",)).splitlines()[-1] == "| between | 9 | 87.5% |"
